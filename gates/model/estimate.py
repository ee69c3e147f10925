"""The lane array's energy and area by a characterization: what `estimate` prints beside its events.

The statistics are those of the program's own operands (some images, whole sums from all over each
layer), the cycles those of the cycle model, stalls included: a waiting array is still clocked.

The lanes are those that were characterized, whose operands are mostly wider than a program asks
for: `substitutions` says which. The bar is the worst error that the characterization showed on
layers it was not fitted to, and holds for arrays between the smallest and the largest that were
measured: beyond them there is no bar, because nobody measured an error there.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cost.technology.technology import Band
from ...rtl.arch.arch import Arch
from ...rtl.program.demands import check_program
from ...rtl.timing.network_cycles import network_cycles
from ...rtl.timing.schedule import layer_schedule
from ...spec import golden
from ...spec.errors import InputError
from ...spec.formats import IntArray
from ...spec.host.limits import demand
from ...spec.host.text import shown
from ...spec.layers import MacLayer
from ...spec.program import INPUT, Program
from ..array.bench import mac_layers
from ..array.streams import recorded
from ..array.structure import STRUCTURE, structure
from .characterization_file import WIDTHS, Fit
from .fit import predict_area

MOST_BEATS = 10_000
"""Of a layer and image, on the array."""
PLAIN_LANES = 1024
"""Arrays with more lanes are given so many fewer beats that no more lane operands are followed."""
LANE_BYTES = 96
"""Memory while a lane's operands of one beat (`product_table`: of one cycle) are followed: some
ten integers of 8 bytes; measured 57 to 92."""


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
class ArrayEstimate:
    """All layers with weights."""

    micro: str
    layers: tuple[ArrayLayer, ...]
    area_um2: float
    substituted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Width by name: (asked for, of the characterized lanes that are costed instead)."""
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
            "substituted": {
                name: {"asked": asked, "costed": costed}
                for name, (asked, costed) in self.substituted.items()
            },
            "bar": self.untested is None,
            "untested": self.untested,
        }


def without_bar(expected: float) -> Band:
    """A number whose error nobody knows: anything from nothing to no bound."""
    return Band(low=0.0, expected=expected, high=math.inf)


def bar_dict(band: Band) -> dict[str, float | None]:
    """JSON form; low and high are None where there is no bar."""
    if math.isfinite(band.high):
        return dict(band.as_dict())
    return {"low": None, "expected": band.expected, "high": None}


def substitutions(asked: Any, costed: Any, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Widths that differ between what was asked for and what is costed."""
    pairs = {name: (getattr(asked, name), getattr(costed, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def untested(arch: Arch, fit: Fit) -> str | None:
    """Why the error of `fit` says nothing about an array of this size; None where it does."""
    if not fit.sizes:
        return "the characterization names no sizes of measured arrays"
    for what, size, measured in (
        ("rows", arch.rows, [rows for rows, _ in fit.sizes]),
        ("cols", arch.cols, [cols for _, cols in fit.sizes]),
    ):
        low, high = min(measured), max(measured)
        if not low <= size <= high:
            return f"arrays were measured with {low} to {high} {what}, not {size}"
    return None


def most_beats_of(arch: Arch, beat_cycles: int) -> int:
    """Beats of a layer that are followed on an array of this size."""
    lanes = arch.rows * arch.cols
    if lanes <= PLAIN_LANES:
        return MOST_BEATS
    return max(1, MOST_BEATS * PLAIN_LANES // (lanes * arch.lanes.followed_cycles(beat_cycles)))


def stream_bytes(arch: Arch, program: Program, name: str, most_beats: int) -> int:
    """Memory to follow the operands of a layer, from above; in Python integers."""
    layer = program.layer(name)
    assert isinstance(layer, MacLayer)
    outputs, channels, kernel_h, kernel_w = layer.weights.shape
    depth = kernel_h * kernel_w * -(-channels // arch.rows)
    blocks = -(-(outputs // layer.groups) // arch.cols)
    pixels = math.prod(program.tensor_shape(name)[1:])
    sums = layer.groups * blocks * pixels
    beats = min(sums * depth, max(most_beats, depth))
    beat_cycles = layer_schedule(arch, program, layer).beat_cycles
    cycles = arch.lanes.followed_cycles(beat_cycles)
    maps = layer.groups * pixels * depth * arch.rows + sums * arch.cols * 3
    weights = layer.groups * blocks * depth * arch.rows * arch.cols
    return beats * cycles * arch.rows * arch.cols * LANE_BYTES + 24 * (maps + weights)


def fitting(arch: Arch, fits: Mapping[str, Fit]) -> tuple[Arch, Fit]:
    """`arch` with the widths that its micro-architecture was characterized with, and that fit.

    A narrower program runs on it; a wider one is refused by `check_program`.
    """
    fit = fits.get(arch.micro)
    if fit is None:
        raise InputError(f"Micro must be characterized: {', '.join(fits)}, not {arch.micro}")
    return replace(arch, **{name: int(fit.widths[name]) for name in WIDTHS}), fit


Toggles = dict[str, dict[str, float]]
"""By layer, by `Micro.toggle_names`: bits of a whole image, the mean over images."""


def golden_tensors(program: Program, images: IntArray) -> dict[str, npt.NDArray[Any]]:
    """Every tensor's codes (N, C, H, W) of the images."""
    return {INPUT: images, **golden.run(program, images, keep="all").tensors}


def layer_toggles(
    program: Program,
    arch: Arch,
    tensors: Mapping[str, npt.NDArray[Any]],
    *,
    most_beats: int | None = None,
) -> Toggles:
    """What the operands of all images in `tensors` move on the array, layer by layer.

    most_beats: None takes `most_beats_of` the array. Memory is asked for before it is taken.
    """
    check_program(arch, program)
    names, found, most = arch.lanes.toggle_names, {}, {}
    for name in mac_layers(program):
        work = layer_schedule(arch, program, program.layer(name))
        most[name] = most_beats or most_beats_of(arch, work.beat_cycles)
        demand(
            stream_bytes(arch, program, name, most[name]),
            f"Operands of layer {shown(name)} on {arch.rows}x{arch.cols} lanes of {arch.micro}",
        )
    for name in mac_layers(program):
        each = []
        for image in range(len(tensors[INPUT])):
            stream = recorded(arch, program, name, tensors, image=image, most_beats=most[name])
            part = program.macs(name) / stream.macs  # the stream may be a sample of the layer
            each.append({term: part * n for term, n in arch.lanes.toggles(arch, stream).items()})
        found[name] = {term: float(np.mean([one[term] for one in each])) for term in names}
    return found


def array_estimate(
    program: Program, arch: Arch, fit: Fit, toggles: Toggles, *, asked: Arch | None = None
) -> ArrayEstimate:
    """The array's energy and area; toggles: `layer_toggles` on the same array.

    asked: the array before `fitting`, to say what was substituted.
    """
    cycles = {model.name: model.cycles for model in network_cycles(arch, program)}
    layers = [
        _layer(program, arch, fit, name, cycles[name], toggles[name])
        for name in mac_layers(program)
    ]
    area = predict_area(fit.area_um2, arch.rows, arch.cols)
    return ArrayEstimate(
        micro=fit.micro,
        layers=tuple(layers),
        area_um2=area,
        substituted=substitutions(asked or arch, arch, WIDTHS),
        untested=untested(arch, fit),
    )


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
    known = untested(arch, fit) is None
    error = fit.error_percent / 100
    return ArrayLayer(
        name=name,
        macs=program.macs(name),
        cycles=cycles,
        energy_pj=Band(low=max(0.0, pj * (1 - error)), expected=pj, high=pj * (1 + error))
        if known
        else without_bar(pj),
        standing_pj=standing / 1000,
    )
