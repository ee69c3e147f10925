"""The output stage's energy by its gates: both units clocked all the time, one of them at work."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cost.technology.technology import Band
from ...rtl.arch.arch import Arch
from ...rtl.program.demands import check_program
from ...rtl.timing.network_cycles import network_cycles
from ...spec.program import INPUT, Program
from ..output_stage.streams import output_stream, output_unit
from .output_file import UnitFit, widths_of
from .output_fit import output_terms

CYCLE = "cycle"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputEstimate:
    """Of one image."""

    moving_pj: Mapping[str, Band]
    """By layer: what its sums and codes move."""
    standing_pj: Band
    """Clock and leakage of both units over all cycles of the network."""
    area_um2: float
    substituted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Width by name: (asked for, of the characterized units that are costed instead)."""

    @property
    def energy_pj(self) -> Band:
        return sum(self.moving_pj.values(), start=self.standing_pj)

    def to_dict(self) -> dict[str, Any]:
        return {
            "moving_pj": {name: band.as_dict() for name, band in self.moving_pj.items()},
            "standing_pj": self.standing_pj.as_dict(),
            "energy_pj": self.energy_pj.as_dict(),
            "area_um2": self.area_um2,
            "substituted": {
                name: {"asked": asked, "costed": costed}
                for name, (asked, costed) in self.substituted.items()
            },
        }


def output_estimate(
    program: Program,
    arch: Arch,
    units: Mapping[str, UnitFit],
    tensors: Mapping[str, npt.NDArray[Any]],
) -> OutputEstimate:
    """tensors: codes (N, C, H, W) by name of the images that are counted. arch: as it is built."""
    check_program(arch, program)
    wide = _widened(arch, units)
    check_program(wide, program)
    moving = {}
    for layer in program.layers:
        unit = output_unit(program, layer.name)
        if unit is None:
            continue
        fit = units[unit]
        each = []
        for image in range(len(tensors[INPUT])):
            stream = output_stream(wide, program, layer.name, tensors, image=image)
            terms = output_terms(wide, stream)
            each.append(sum(fit.energy_fj[n] * v for n, v in terms.items() if n != CYCLE))
        moving[layer.name] = _barred(float(np.mean(each)) / 1000, fit.error_percent)
    cycles = sum(found.cycles for found in network_cycles(arch, program))
    standing = [
        _barred(fit.energy_fj[CYCLE] * cycles / 1000, fit.error_percent) for fit in units.values()
    ]
    return OutputEstimate(
        moving_pj=moving,
        standing_pj=sum(standing, start=Band.exactly(0.0)),
        area_um2=sum(fit.area_um2 for fit in units.values()),
        substituted=_substituted(arch, wide),
    )


def _substituted(asked: Arch, costed: Arch) -> dict[str, tuple[int, int]]:
    pairs = {name: (width, widths_of(costed)[name]) for name, width in widths_of(asked).items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _widened(arch: Arch, units: Mapping[str, UnitFit]) -> Arch:
    """The array with the widths that the units were characterized with."""
    widths = dict(next(iter(units.values())).widths)
    own = {name: widths[name] for name in ("acc_width", "threshold_width", "out_width")}
    known = widths_of(arch)
    requant = {name: widths[name] for name in known if name not in own}
    return replace(arch, **own, requant=replace(arch.requant, **requant))


def _barred(pj: float, percent: float) -> Band:
    return Band(low=pj * (1 - percent / 100), expected=pj, high=pj * (1 + percent / 100))
