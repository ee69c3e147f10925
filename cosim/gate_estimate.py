"""The lane array's energy and area by a characterization: what `estimate` prints beside its events.

The statistics are those of the program's own operands (some images, whole sums from all over each
layer), the cycles those of the cycle model, stalls included: a waiting array is still clocked. The
bar is the worst error that the characterization showed on layers it was not fitted to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..rtl.arch import Arch
from ..spec import golden
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.program import INPUT, Program
from .characterization_file import WIDTHS, Fit
from .gate_bench import mac_layers
from .gate_fit import predict_area
from .gate_streams import recorded
from .network_cycles import network_cycles
from .stream_toggles import STRUCTURE, stream_toggles, structure, toggle_names
from .technology import Band

MOST_BEATS = 10_000
"""Of a layer and image, on the array."""


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
            "energy_pj": self.energy_pj.as_dict(),
            "standing_pj": self.standing_pj,
            "pj_per_mac": self.energy_pj.expected / self.macs,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayEstimate:
    """All layers with weights."""

    micro: str
    layers: tuple[ArrayLayer, ...]
    area_um2: float

    @property
    def energy_pj(self) -> Band:
        return sum((layer.energy_pj for layer in self.layers), start=Band.exactly(0.0))

    def to_dict(self) -> dict[str, Any]:
        return {
            "micro": self.micro,
            "layers": [layer.to_dict() for layer in self.layers],
            "energy_pj": self.energy_pj.as_dict(),
            "area_um2": self.area_um2,
        }


def fitting(arch: Arch, fits: Mapping[str, Fit]) -> tuple[Arch, Fit]:
    """`arch` with the widths that its micro-architecture was characterized with, and that fit.

    A narrower program runs on it; a wider one is refused by `Arch.check_program`.
    """
    fit = fits.get(arch.micro)
    if fit is None:
        raise InputError(f"Micro must be characterized: {', '.join(fits)}, not {arch.micro}")
    return replace(arch, **{name: int(fit.widths[name]) for name in WIDTHS}), fit


Toggles = dict[str, dict[str, float]]
"""By layer, by `toggle_names`: bits of a whole image, the mean over images."""


def golden_tensors(program: Program, images: IntArray) -> dict[str, npt.NDArray[Any]]:
    """Every tensor's codes (N, C, H, W) of the images."""
    return {INPUT: images, **golden.run(program, images, keep="all").tensors}


def layer_toggles(
    program: Program,
    arch: Arch,
    tensors: Mapping[str, npt.NDArray[Any]],
    *,
    most_beats: int = MOST_BEATS,
) -> Toggles:
    """What the operands of all images in `tensors` move on the array, layer by layer."""
    arch.check_program(program)
    names, found = toggle_names(arch.micro), {}
    for name in mac_layers(program):
        each = []
        for image in range(len(tensors[INPUT])):
            stream = recorded(arch, program, name, tensors, image=image, most_beats=most_beats)
            part = program.macs(name) / stream.macs  # the stream may be a sample of the layer
            each.append({term: part * n for term, n in stream_toggles(arch, stream).items()})
        found[name] = {term: float(np.mean([one[term] for one in each])) for term in names}
    return found


def array_estimate(program: Program, arch: Arch, fit: Fit, toggles: Toggles) -> ArrayEstimate:
    """The array's energy and area; toggles: `layer_toggles` on the same array."""
    cycles = {model.name: model.cycles for model in network_cycles(arch, program)}
    layers = [
        _layer(program, arch, fit, name, cycles[name], toggles[name])
        for name in mac_layers(program)
    ]
    area = predict_area(fit.area_um2, arch.rows, arch.cols)
    return ArrayEstimate(micro=fit.micro, layers=tuple(layers), area_um2=area)


def _layer(
    program: Program,
    arch: Arch,
    fit: Fit,
    name: str,
    cycles: int,
    toggles: Mapping[str, float],
) -> ArrayLayer:
    fixed = structure(arch.rows, arch.cols)
    standing = cycles * sum(fit.energy_fj[term] * fixed[term] for term in STRUCTURE)
    moving = sum(fit.energy_fj[term] * count for term, count in toggles.items())
    pj = (standing + moving) / 1000
    error = fit.error_percent / 100
    return ArrayLayer(
        name=name,
        macs=program.macs(name),
        cycles=cycles,
        energy_pj=Band(low=pj * (1 - error), expected=pj, high=pj * (1 + error)),
        standing_pj=standing / 1000,
    )
