"""Toggles of a program's layers on the lane array, of its own operands, per image.

Of some images, whole sums from all over each layer. Memory is asked for before it is taken.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.networks.demands import check_program
from ...rtl.timing.schedule import layer_schedule
from ...spec import golden
from ...spec.formats import IntArray
from ...spec.host.limits import demand
from ...spec.host.text import shown
from ...spec.layers import MacLayer
from ...spec.program import INPUT, Program
from ..array.played import array_streams, array_toggles

MOST_BEATS = 10_000
"""Of a layer and image, on the array."""
MOST_HELD_BEATS = 2_000
"""The same where weights are held: groups from all over the layer."""
PLAIN_LANES = 1024
"""Arrays with more lanes are given so many fewer beats that no more lane operands are followed."""
LANE_BYTES = 96
"""Memory while a lane's operands of one beat (`product_table`: of one cycle) are followed: some
ten integers of 8 bytes; measured 57 to 92."""


def most_beats_of(arch: Arch, beat_cycles: int) -> int:
    """Beats of a layer that are followed on an array of this size."""
    lanes = arch.rows * arch.cols
    if arch.holds:
        return MOST_HELD_BEATS
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
    cycles = layer_schedule(arch, program, layer).beat_cycles
    if arch.holds:  # group after group
        beats = min(beats, arch.hold * depth)
    else:
        cycles = arch.lanes.followed_cycles(cycles)
    maps = layer.groups * pixels * depth * arch.rows + sums * arch.cols * 3
    weights = layer.groups * blocks * depth * arch.rows * arch.cols
    return beats * cycles * arch.rows * arch.cols * LANE_BYTES + 24 * (maps + weights)


Toggles = dict[str, dict[str, float]]
"""By layer, by `Micro.toggle_names` or `HELD_TOGGLES`: bits of an image, the mean over images."""


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
    """Toggles of the operands of all images in `tensors` on the array, layer by layer.

    most_beats: None takes `most_beats_of` the array. Memory is asked for before it is taken.
    """
    check_program(arch, program)
    toggles: Toggles = {}
    most: dict[str, int] = {}
    for layer in program.mac_layers:
        name, work = layer.name, layer_schedule(arch, program, layer)
        most[name] = most_beats or most_beats_of(arch, work.beat_cycles)
        demand(
            stream_bytes(arch, program, name, most[name]),
            f"Operands of layer {shown(name)} on {arch.rows}x{arch.cols} lanes of {arch.micro}",
        )
    for name in most:
        by_image = []
        for image in range(len(tensors[INPUT])):
            (stream,) = array_streams(
                arch, program, name, tensors, image=image, most_beats=most[name]
            )
            part = program.macs(name) / stream.macs  # the stream may be a sample of the layer
            by_image.append({term: part * n for term, n in array_toggles(arch, stream).items()})
        toggles[name] = {
            term: float(np.mean([one[term] for one in by_image])) for term in by_image[0]
        }
    return toggles
