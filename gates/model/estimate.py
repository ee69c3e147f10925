"""Energy and area by characterizations: the lane array and the output stage, layer by layer.

The statistics are those of the program's own operands, the cycles those of the cycle model, stalls
included: a waiting array is still clocked, and both output units are clocked all the time.

The parts are those that were characterized, whose operands are mostly wider than a program asks
for: `substituted` says which. The bar is the worst error that the characterization showed on layers
it was not fitted to, and holds for arrays between the smallest and the largest that were measured:
beyond them there is no bar, because no error was measured there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...cost.estimate.estimate import Estimate
from ...cost.estimate.model import Timings, layer_costs, timings_of
from ...cost.technology.technology import Band
from ...rtl.arch.arch import Arch
from ...rtl.networks.demands import check_program
from ...rtl.timing.network_cycles import TensorCycles
from ...spec.errors import InputError
from ...spec.layers import Layer, MacLayer
from ...spec.program import Program
from ..array.bench import SUMS
from ..array.structure import STRUCTURE, structure
from ..output_stage.streams import output_unit
from ..output_stage.terms import CYCLE
from .fit import Fit, bar_dict, without_bar
from .linear import predict
from .operands import Operands, UnitTerms
from .parts import WIDTHS, Part, lanes_name, substitutions, widths_of, with_widths
from .toggles import Toggles


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayLayer:
    """One layer with weights, one image."""

    name: str
    macs: int
    cycles: int
    energy_pj: Band
    standing_pj: float
    """The part that does not depend on operands: clock, leakage, control."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "macs": self.macs,
            "cycles": self.cycles,
            "energy_pj": bar_dict(self.energy_pj),
            "standing_pj": self.standing_pj,
            "pj_per_mac": self.energy_pj.expected / self.macs,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputLayer:
    """One layer that ends in an output unit, one image: toggles of its sums and codes."""

    name: str
    energy_pj: Band


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayModel:
    """The cost model of a characterized lane array; toggles: `layer_toggles` on `arch`."""

    program: Program
    arch: Arch
    fit: Fit
    toggles: Toggles

    def layer_cost(self, layer: Layer, timing: TensorCycles) -> ArrayLayer | None:
        if not isinstance(layer, MacLayer):
            return None
        fixed, worth = structure(self.arch.rows, self.arch.cols), self.fit.energy_fj
        standing = timing.cycles * predict(worth, {name: fixed[name] for name in STRUCTURE})
        pj = (standing + predict(worth, self.toggles[layer.name])) / 1000
        return ArrayLayer(
            name=layer.name,
            macs=self.program.macs(layer.name),
            cycles=timing.cycles,
            energy_pj=without_bar(pj) if self.fit.untested(self.arch) else self.fit.band(pj),
            standing_pj=standing / 1000,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputModel:
    """The cost model of characterized output units; terms: of an array of their widths."""

    program: Program
    units: Mapping[str, Fit]
    terms: UnitTerms

    def layer_cost(self, layer: Layer, timing: TensorCycles) -> OutputLayer | None:
        unit = output_unit(self.program, layer.name)
        if unit is None:
            return None
        fit = self.units[unit]
        by_image = [predict(fit.energy_fj, terms) for terms in self.terms[layer.name]]
        return OutputLayer(name=layer.name, energy_pj=fit.band(float(np.mean(by_image)) / 1000))


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayEstimate:
    """All layers with weights."""

    micro: str
    layers: tuple[ArrayLayer, ...]
    area_um2: float
    substituted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Width by name: (requested, of the characterized lanes that are costed instead)."""
    untested: str | None = None
    """Why the energies have no bar; None: they have one."""

    @property
    def energy_pj(self) -> Band:
        return sum((layer.energy_pj for layer in self.layers), start=Band.exactly(0.0))

    def to_dict(self) -> dict[str, Any]:
        return {
            "micro": self.micro,
            "layers": [layer.to_dict() for layer in self.layers],
            "energy_pj": bar_dict(self.energy_pj),
            "area_um2": self.area_um2,
            "substituted": _pairs(self.substituted),
            "bar": self.untested is None,
            "untested": self.untested,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputEstimate:
    """All layers that end in an output unit."""

    layers: tuple[OutputLayer, ...]
    standing_pj: Band
    """Clock and leakage of both units over all cycles of the network."""
    area_um2: float
    substituted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Width by name: (requested, of the characterized units that are costed instead)."""

    @property
    def energy_pj(self) -> Band:
        return sum((layer.energy_pj for layer in self.layers), start=self.standing_pj)

    def to_dict(self) -> dict[str, Any]:
        return {
            "moving_pj": {layer.name: layer.energy_pj.as_dict() for layer in self.layers},
            "standing_pj": self.standing_pj.as_dict(),
            "energy_pj": self.energy_pj.as_dict(),
            "area_um2": self.area_um2,
            "substituted": _pairs(self.substituted),
        }


def _pairs(substituted: Mapping[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
    return {name: {"asked": one, "costed": other} for name, (one, other) in substituted.items()}


def fitting(arch: Arch, fits: Mapping[str, Fit]) -> tuple[Arch, Fit]:
    """`arch` with the widths that its micro-architecture was characterized with, and that fit.

    A narrower program runs on it; a wider one is refused by `check_program`.
    """
    name, where = lanes_name(arch), " for arrays that hold weights (--hold)" if arch.holds else ""
    fit = fits.get(name)
    if fit is None:
        known = ", ".join(fits) or "none is"
        raise InputError(f"Micro must be characterized{where}: {known}, not {name}")
    for key, value in widths_of(arch, fit.kind).items():
        if value != fit.kind[key]:
            raise InputError(f"Arch {key} must be {fit.kind[key]} as characterized, not {value}")
    return with_widths(arch, fit.widths), fit


def array_estimate(
    program: Program,
    arch: Arch,
    fit: Fit,
    toggles: Toggles,
    *,
    asked: Arch | None = None,
    timings: Timings | None = None,
) -> ArrayEstimate:
    """The array's energy and area; toggles: `layer_toggles` on the same array.

    asked: the array before `fitting`, to say what was substituted. timings: of `arch`, where they
    are known.
    """
    model = ArrayModel(program=program, arch=arch, fit=fit, toggles=toggles)
    return ArrayEstimate(
        micro=fit.name,
        layers=layer_costs(model, program, timings or timings_of(arch, program)),
        area_um2=fit.area(arch.rows, arch.cols),
        substituted=substitutions(asked or arch, arch, WIDTHS[Part.ARRAY]),
        untested=fit.untested(arch),
    )


def sums_in_memory(rest: ArrayEstimate, events: Estimate) -> ArrayEstimate:
    """An array that holds weights with its sums in memories, as the technology of `events` has them
    and the additions to them.

    rest: by `Fit.without_sums`; the area stays that of flip-flops.
    """
    parts = {layer.name: layer.energy.parts for layer in events.layers}
    layers = [
        replace(
            layer,
            energy_pj=layer.energy_pj + parts[layer.name][SUMS] + parts[layer.name]["accumulate"],
        )
        for layer in rest.layers
    ]
    return replace(rest, layers=tuple(layers))


def output_estimate(
    program: Program,
    arch: Arch,
    units: Mapping[str, Fit],
    operands: Operands,
    *,
    timings: Timings | None = None,
) -> OutputEstimate:
    """The output stage behind `arch`, as that is built.

    timings: of `arch`, where they are known.
    """
    check_program(arch, program)
    wide = with_widths(arch, next(iter(units.values())).widths)
    check_program(wide, program)
    timings = timings or timings_of(arch, program)
    cycles = sum(timing.cycles for timing in timings.values())
    standing = [fit.band(fit.energy_fj[CYCLE] * cycles / 1000) for fit in units.values()]
    model = OutputModel(program=program, units=units, terms=operands.unit_terms(wide))
    return OutputEstimate(
        layers=layer_costs(model, program, timings),
        standing_pj=sum(standing, start=Band.exactly(0.0)),
        area_um2=sum(fit.area(arch.rows, arch.cols) for fit in units.values()),
        substituted=substitutions(arch, wide, WIDTHS[Part.UNIT]),
    )
