"""Cycle model: the time of a layer in closed form, equal to the RTL cycle for cycle."""

from dataclasses import dataclass, field
from typing import assert_never

from ...spec.errors import InputError
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import Program
from ..arch.arch import Arch
from .elementwise import most
from .schedule import Schedule, layer_schedule
from .timing import array_latency, output_latency


@dataclass(frozen=True, kw_only=True)
class LayerCycles:
    """Time of one layer for one image, from the first accepted beat to the last accepted output.

    `groups` sums per column, of `depth` beats each; both 0 for a layer without weights, which
    streams `outputs` codes through the output stage. stall_cycles: the array waits for the drain.
    """

    name: str
    kind: str
    groups: int
    depth: int
    outputs: int
    """Codes that leave the engine, those of unused columns included."""
    latency: int
    """Last beat of a group (or direct code) accepted -> its first output."""
    cycles: int
    stall_cycles: int
    work: Schedule = field(default_factory=Schedule)
    """Cycles of a beat and after a sum."""

    @property
    def beats(self) -> int:
        return self.groups * self.depth

    @property
    def ideal_cycles(self) -> int:
        """Cycles of an array without stalls and latency."""
        return self.groups * self.work.group_cycles(self.depth) or self.outputs


def layer_cycles(arch: Arch, program: Program, name: str) -> LayerCycles:
    """Closed form of layer `name`.

    A group keeps the array busy for `work.group_cycles`: B = act_digits * level_digits per beat and
    final_cycles at its end (1 and 0 where lanes multiply). Groups start max(W, cols) cycles apart,
    as the drain gives one sum per cycle. Then the last group passes the pipeline (`latency`) and
    leaves in `cols` outputs:

        W = depth * B + final_cycles
        cycles = (depth - 1) * B + 1 + (groups - 1) * max(W, cols) + latency + cols - 1
        stall_cycles = (groups - 1) * max(0, cols - W)

    A layer of n direct codes takes n + latency cycles.
    """
    layer = streamed(program.layer(name))
    if isinstance(layer, ThresholdLayer):
        channels, height, width = program.tensor_shape(name)
        latency = output_latency(arch, requant=False)
        outputs = channels * height * width
        return LayerCycles(
            name=name,
            kind=str(layer.kind),
            groups=0,
            depth=0,
            outputs=outputs,
            latency=latency,
            cycles=outputs + latency,
            stall_cycles=0,
        )
    groups, depth = _tiles(arch, program, layer)
    work, requant = layer_schedule(arch, program, layer), layer.requantizes
    latency, busy = array_latency(arch, requant=requant, work=work), work.group_cycles(depth)
    between = (groups - 1) * most(busy, arch.cols)
    return LayerCycles(
        name=name,
        kind=str(layer.kind),
        groups=groups,
        depth=depth,
        outputs=groups * arch.cols,
        latency=latency,
        cycles=(depth - 1) * work.beat_cycles + 1 + between + latency + arch.cols - 1,
        stall_cycles=(groups - 1) * most(0, arch.cols - busy),
        work=work,
    )


def program_cycles(arch: Arch, program: Program) -> list[LayerCycles]:
    """Every layer in order; one image, layer after layer."""
    return [layer_cycles(arch, program, layer.name) for layer in program.layers]


def streamed(layer: Layer) -> MacLayer | PoolLayer | ThresholdLayer:
    """`layer`, which the streaming engine computes; maxima are computed and codes are moved beside
    it, in the accelerator: refused."""
    match layer:
        case MacLayer() | ThresholdLayer():
            return layer
        case PoolLayer() if layer.sums:
            return layer
        case PoolLayer() | ConcatLayer() | UpsampleLayer():
            raise InputError(
                f"Layer {layer.name!r} must be a convolution, linear, threshold or avg_pool layer "
                f"to run on the streaming engine, not {layer.kind}: the accelerator has it (no "
                "--layer)"
            )
        case _:
            assert_never(layer)


def _tiles(arch: Arch, program: Program, layer: MacLayer | PoolLayer) -> tuple[int, int]:
    """(groups, depth): how often the columns finish a sum, and of how many beats."""
    channels, height, width = program.tensor_shape(layer.name)
    if isinstance(layer, PoolLayer):  # the window lies in the rows, one channel in column 0
        return channels * height * width, -(-layer.taps // arch.rows)
    row_blocks = -(-(layer.in_channels // layer.groups) // arch.rows)
    col_blocks = -(-(layer.out_channels // layer.groups) // arch.cols)
    return layer.groups * col_blocks * height * width, layer.taps * row_blocks
