"""What a step per image would cost on the array that holds weights.

The step of an image is known when its whole map is. Until then the map has to wait unquantized:
sums where a convolution makes the codes, and codes of the stream, which are stored anyway, where a
read activation does. Then the output stage walks over it once more.
"""

from dataclasses import dataclass
from math import prod

from ...cost.events.memories import peak_live_bits
from ...rtl.program.fit import narrowest
from ...rtl.timing.network_cycles import network_cycles
from ...spec.activation import Threshold
from ...spec.layers import ThresholdLayer
from ...spec.program import Program
from ..dataflow.moves import LEVELS, MAPS, Machine, macs
from ..dataflow.own import held

SIZE, HOLD, FILL, OUT_LANES = 16, 16, 8, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of one image; ``more``: what the steps add."""

    cycles: int
    more_cycles: int
    bits: float
    """That move per product, registers and external memory included."""
    map_bits: float
    """The same of the activation memory."""
    more_bits: float
    storage: int
    """Bits of all maps alive at once."""
    more_storage: int
    """The largest map of sums that waits."""


def cost_of(program: Program) -> Cost:
    """The cost for all threshold activations of ``program``."""
    arch = narrowest(program, rows=SIZE, cols=SIZE, hold=HOLD, fill=FILL, out_lanes=OUT_LANES)
    timings = {timing.name: timing.cycles for timing in network_cycles(arch, program)}
    made = [layer for layer in program.mac_layers if isinstance(layer.output, Threshold)]
    # read activations have no pass today: their codes are made where the stream's are
    read = [x for x in program.layers if isinstance(x, ThresholdLayer) and not timings[x.name]]
    names = [layer.name for layer in made] + [layer.name for layer in read]
    codes = {name: prod(program.tensor_shape(name)) for name in names}
    waits = [codes[layer.name] * program.acc_width(layer.name) for layer in made]
    again = [codes[layer.name] * program.tensor_format(layer.input).width for layer in read]
    moves, products = held(Machine(name="held", network=program, arch=arch)), macs(program)
    return Cost(
        cycles=sum(timings.values()),
        more_cycles=sum(-(-count // OUT_LANES) for count in codes.values()),
        bits=sum(moves.of_level(level) for level in LEVELS) / products,
        map_bits=moves.of_level(MAPS) / products,
        more_bits=(2 * sum(waits) + sum(again)) / products,
        storage=peak_live_bits(program),
        more_storage=max(waits, default=0),
    )
