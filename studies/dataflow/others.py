"""Two alternatives with as many multipliers, counted from the definitions of their dataflows.

Output stationary (a systolic array): a processing element keeps one sum, activations pass from the
left and weights from above, one product per element and cycle. Rows are pixels, columns filters, as
in `cost.topologies.systolic`.

Row stationary: a processing element keeps a row of filters and slides it along a row of the map
(one-dimensional convolution); kh elements above each other add up the kernel's rows. Elements side
by side make rows of the output.

Both have the output stage, the fused read activations and the memories of the array that holds
weights, and levels are decoded at the port of the weight memory. Depth-wise layers run group by
group. What each is given for free is said on the page.
"""

import math
from dataclasses import dataclass

from ...rtl.arch.arch import Arch
from ...rtl.timing.tables import stored_width
from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from .moves import LANES, MAPS, REGISTER, SUMS, WEIGHT_MEMORY, WEIGHTS, Machine, Moves
from .own import output_side

FILTERS, CHANNELS = 16, 4
"""Of a processing element that keeps rows: rows of so many filters and channels at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A group of a layer with sums."""

    groups: int
    filters: int
    channels: int
    high: int
    wide: int
    out_height: int
    out_width: int
    read_height: int
    """Rows of the map that the windows of one group of output rows touch: a function of stride."""
    stride: tuple[int, int]
    act: int
    """Bits of an activation."""
    stored: int
    """Bits of a stored weight."""

    @property
    def pixels(self) -> int:
        return self.out_height * self.out_width

    @property
    def window(self) -> int:
        return self.high * self.wide * self.channels

    @property
    def macs(self) -> int:
        return self.groups * self.pixels * self.filters * self.window

    @property
    def weights(self) -> int:
        """Bits of the stored weights of all groups."""
        return self.groups * self.filters * self.window * self.stored


def shape_of(network: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch) -> Shape:
    channels, height, _ = network.tensor_shape(layer.input)
    outputs, out_height, out_width = network.tensor_shape(layer.name)
    groups = layer.groups if isinstance(layer, MacLayer) else channels
    high, wide = layer.kernel
    return Shape(
        groups=groups, filters=outputs // groups, channels=channels // groups, high=high, wide=wide,
        out_height=out_height, out_width=out_width, read_height=height, stride=layer.stride,
        act=network.tensor_format(layer.input).width, stored=stored_width(arch, layer),
    )  # fmt: skip


def output_stationary(machine: Machine) -> Moves:
    """A systolic array of rows x cols elements."""
    found = output_side(machine)
    for layer in machine.network.layers:
        if isinstance(layer, MacLayer | PoolLayer) and layer.sums:
            shape = shape_of(machine.network, layer, machine.arch)
            _systolic(found, machine, shape, weighted=isinstance(layer, MacLayer))
    return found


def _systolic(found: Moves, machine: Machine, shape: Shape, *, weighted: bool) -> None:
    arch = machine.arch
    down, across = -(-shape.pixels // arch.rows), -(-shape.filters // arch.cols)
    if weighted:
        found.move(WEIGHTS, WEIGHT_MEMORY, shape.weights * (1 + down))
        found.move(LANES, REGISTER, shape.macs * arch.level_width)
        found.move(LANES, REGISTER, shape.macs * (arch.level_width + shape.act))  # the product
    read = shape.groups * across * shape.pixels * shape.window * shape.act
    found.move(MAPS, machine.maps, read)
    found.move(LANES, REGISTER, shape.macs * shape.act)
    found.move(SUMS, REGISTER, shape.macs * arch.acc_width)
    sums = shape.groups * shape.filters * shape.pixels
    found.move(SUMS, REGISTER, sums * arch.acc_width * (arch.rows + 1) / 2)  # down to the edge
    cycles = shape.groups * down * across * shape.window
    found.cycles += cycles
    element = 2 * (arch.level_width + arch.act_width) + arch.acc_width
    found.clocked += cycles * arch.rows * arch.cols * element


def row_stationary(machine: Machine) -> Moves:
    """rows x cols elements that keep rows of filters."""
    found = output_side(machine)
    for layer in machine.network.layers:
        if isinstance(layer, MacLayer | PoolLayer) and layer.sums:
            shape = shape_of(machine.network, layer, machine.arch)
            _rows(found, machine, shape, weighted=isinstance(layer, MacLayer))
    return found


def _rows(found: Moves, machine: Machine, shape: Shape, *, weighted: bool) -> None:
    arch = machine.arch
    side = min(shape.out_height, arch.cols)  # output rows at a time
    strips, sets = -(-shape.out_height // side), arch.cols // side
    deep = max(1, arch.rows // shape.high)  # kernels above each other
    filters, channels = min(FILTERS, shape.filters), min(CHANNELS, shape.channels)
    stacked = min(deep, -(-shape.channels // channels))
    rounds = -(-shape.filters // (filters * sets))
    parts = -(-shape.channels // (channels * stacked))
    touched = sum(
        (min(side, shape.out_height - first) - 1) * shape.stride[0] + shape.high
        for first in range(0, shape.out_height, side)
    )
    width = (shape.out_width - 1) * shape.stride[1] + shape.wide
    codes = shape.groups * shape.channels * width
    found.move(MAPS, machine.maps, rounds * codes * touched * shape.act)
    _spads(found, arch, shape, (filters, channels), weighted=weighted)
    kept = rounds * codes * shape.out_height * shape.high * sets
    found.move(LANES, channels * shape.wide * shape.act, kept * shape.act)
    if weighted:
        found.move(WEIGHTS, WEIGHT_MEMORY, shape.weights * (1 + strips))
        levels = shape.weights // shape.stored * arch.level_width * shape.out_height
        found.move(LANES, filters * channels * shape.wide * arch.level_width, levels)
    sums = shape.groups * shape.filters * shape.pixels
    found.move(SUMS, REGISTER, sums * parts * shape.high * stacked * arch.acc_width)
    found.move(SUMS, machine.maps, 2 * sums * (parts - 1) * arch.acc_width)
    alone = math.ceil(shape.groups / max(1, deep // stacked)) if stacked < deep else shape.groups
    cycles = alone * strips * rounds * parts * filters * channels * shape.wide * shape.out_width
    found.cycles += cycles
    element = 2 * (arch.level_width + arch.act_width) + arch.acc_width
    found.clocked += cycles * arch.rows * arch.cols * element


def _spads(
    found: Moves, arch: Arch, shape: Shape, kept: tuple[int, int], *, weighted: bool
) -> None:
    """What a product reads and writes within its element."""
    filters, channels = kept
    found.move(LANES, channels * shape.wide * shape.act, shape.macs * shape.act)
    if weighted:
        capacity = filters * channels * shape.wide * arch.level_width
        found.move(LANES, capacity, shape.macs * arch.level_width)
        found.move(LANES, REGISTER, shape.macs * (arch.level_width + shape.act))  # the product
    found.move(SUMS, REGISTER, shape.macs * arch.acc_width)
