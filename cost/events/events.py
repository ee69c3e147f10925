"""Events: counts of the hardware's actions for one layer and one image on the accelerator.

Cycles and counts come from one schedule, the accelerator's (`network_cycles`: passes, beats, groups
of sums), and, for the one thing that depends on data, from measured activity. The RTL's own
counters say the same, layer by layer (tests/cost/events/test_event_counters.py). Per layer, image:

| event | count | part |
| --- | --- | --- |
| multiply_bit2 | active MACs (weight not gated, act not 0) x act_width x level_width | multiply |
| | binned: sums x final cycles x bin sum x level; shift_add: sums x factor x acc | |
| multiply_zero_act_bit2 | ungated MACs with act 0 (or level 0) x the same | multiply |
| lookup_mux_bit | ungated MACs x (2^weight_width - 1) x level_width (shift_add: entry) | lookup |
| | decode, bit_serial, shift_add | |
| and_bit | bit_serial: ungated MACs x beat cycles x level_width | multiply |
| shift_mux_bit | stages of a shifter x its bits; bit_serial, product_table: per column | multiply |
| | shift_add: per lane, and its sign | |
| bin_add_bit | binned: active additions into a bin x bin_width | multiply |
| bin_register_bit, bin_mux_bit | the same, and once more as the bin leaves | multiply |
| combine_add_bit, combine_register_bit | shift_add: sums x acc_width | accumulate |
| word_mux_bit | product_table: the word that a row's digit selects, per row and cycle | lookup |
| product_mux_bit | product_table: a product of the row's word, per ungated MAC, cycle | lookup |
| table_build_add_bit, table_build_register_bit | words x codes x product, in every pass | lookup |
| tree_add_bit | per beat, r - 1 adders for the r lanes of a column that have a weight | add |
| accumulate_bit | used column-beats x acc_width (one addition) | accumulate |
| accumulator_register_bit | used column-beats x acc_width | accumulate |
| drain_register_bit | groups x cols^2 x acc_width: a load and cols shifts | accumulate |
| station_, level_, operand_register_bit, sums_read_bit, sums_write_bit: `held_events` | | |
| compare_bit | outputs x (2^act_width - 1) x acc_width | output |
| requant_multiply_bit2 | outputs x (multiplier_width x acc_width + skip term) | output |
| requant_add_bit | outputs x (2, with a skip 3) x (multiplier_width + acc_width) | output |
| clock_bit | cycles of all passes x flip-flops of array, drain and both output units | clock |
| | first layer: the cycles in which the image comes in too | |
| weight_read_bit | beats x rows x cols x stored width: idle, gated lanes are read too | weights |
| weight_load_bit | words and codebooks written once per load of the network | weights |
| activation_read_bit | words x rows x input width: per beat, residual, direct code | activations |
| activation_write_bit | outputs x output width x banks; first: the image too | activations |
| table_read_bit | the codebook, once before the layer | tables |
| codebook_register_bit | the codebook written into the array's registers | tables |
| parameter_write_bit | one row per channel, once per load of the network | tables |
| parameter_read_bit | a row per drained sum (idle columns too) or code; shared: once | tables |
| dram_weight_bit | packed weights and tables once per load of the network (`Options`) | dram |
| dram_map_bit | first layer: the image in; last layer: the logits out | dram |

level_width and acc_width are the array's: what is narrower is extended with its sign, which moves
in all bits. The output units' are the layer's.

An output-stationary array keeps sums in place and **reads every weight again for every output
pixel**: weight_read_bit dominates, and it is where a narrow code pays. MACs of padding positions
count, the hardware feeds them. A gated lane (stored field 0) still passes its 0 through the adders.
Grouped layers and average pools run tile by tile: a column block reads the input blocks that hold
its outputs' channels, once per tile. Max pooling stands beside the array: `rows` codes are read and
compared (input width) per window position, padding included. Concatenations and upsampled maps are
moved through it word by word, or code by code through the output stage, whose product by 1 is not
counted.
**No clock is gated**: an idle lane, a column without a channel and a row without an
input are clocked in every cycle, in read activations and pools as well.
Not counted, because the technology has no number for them: clock tree, wires, leakage of memories,
the sequencer, address generators and their registers, the output registers of memories.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, assert_never

from ...rtl.arch.arch import Arch
from ...rtl.timing.elementwise import real
from ...rtl.timing.network_cycles import TensorCycles
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import SizedNetwork
from .external_events import OutsideCounts
from .flip_flops import clocked_bits
from .held_events import array_counts, held_banks, nonzero_macs, stage_counts
from .held_walks import walk_of
from .lane_events import gated_macs, lane_events, nonzero_level_macs, output_events
from .memories import Count
from .traffic import Options, memory_events, network_events, stored_codes, written_banks


class EventKind(NamedTuple):
    """How an event is priced (`entry` of the technology) and where it is reported."""

    entry: str
    split: str
    part: str
    memory: str | None = None
    """Which capacity of `Memories` sets the energy of an `sram` bit."""
    overhead: bool = False
    """Logic that carries the technology's `datapath_overhead`."""


EVENTS: dict[str, EventKind] = {
    "multiply_bit2": EventKind("multiply", "datapath", "multiply", overhead=True),
    "multiply_zero_act_bit2": EventKind("multiply_zero_act", "datapath", "multiply", overhead=True),
    "lookup_mux_bit": EventKind("mux", "datapath", "lookup"),
    "and_bit": EventKind("mux", "datapath", "multiply"),
    "shift_mux_bit": EventKind("mux", "datapath", "multiply"),
    "bin_add_bit": EventKind("add", "datapath", "multiply", overhead=True),
    "bin_register_bit": EventKind("register", "datapath", "multiply"),
    "bin_mux_bit": EventKind("mux", "datapath", "multiply"),
    "word_mux_bit": EventKind("select", "datapath", "lookup"),
    "product_mux_bit": EventKind("mux", "datapath", "lookup"),
    "table_build_add_bit": EventKind("add", "datapath", "lookup", overhead=True),
    "table_build_register_bit": EventKind("register", "datapath", "lookup"),
    "tree_add_bit": EventKind("add", "datapath", "add", overhead=True),
    "accumulate_bit": EventKind("add", "datapath", "accumulate", overhead=True),
    "accumulator_register_bit": EventKind("register", "datapath", "accumulate"),
    "combine_add_bit": EventKind("add", "datapath", "accumulate", overhead=True),
    "combine_register_bit": EventKind("register", "datapath", "accumulate"),
    "drain_register_bit": EventKind("register", "datapath", "accumulate"),
    "station_register_bit": EventKind("register", "datapath", "hold"),
    "level_register_bit": EventKind("register", "datapath", "hold"),
    "operand_register_bit": EventKind("register", "datapath", "hold"),
    "compare_bit": EventKind("compare", "datapath", "output", overhead=True),
    "requant_multiply_bit2": EventKind("multiply", "datapath", "output", overhead=True),
    "requant_add_bit": EventKind("add", "datapath", "output", overhead=True),
    "clock_bit": EventKind("clock", "datapath", "clock"),
    "weight_read_bit": EventKind("sram", "memory", "weights", "weight_bits"),
    "sums_read_bit": EventKind("sram", "memory", "sums", "sum_bits"),
    "sums_write_bit": EventKind("sram", "memory", "sums", "sum_bits"),
    "weight_load_bit": EventKind("sram", "memory", "weights", "weight_bits"),
    "activation_read_bit": EventKind("sram", "memory", "activations", "activation_bits"),
    "activation_write_bit": EventKind("sram", "memory", "activations", "activation_bits"),
    "table_read_bit": EventKind("sram", "memory", "tables", "weight_bits"),
    "codebook_register_bit": EventKind("register", "memory", "tables"),
    "parameter_write_bit": EventKind("sram", "memory", "tables", "parameter_bits"),
    "parameter_read_bit": EventKind("sram", "memory", "tables", "parameter_bits"),
    "dram_weight_bit": EventKind("dram", "dram", "dram"),
    "dram_map_bit": EventKind("dram", "dram", "dram"),
}
SPLITS = ("datapath", "memory", "dram")
PARTS = tuple(dict.fromkeys(kind.part for kind in EVENTS.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerEvents:
    """One layer, one image: `counts` by event, and the lane statistics behind them."""

    name: str
    macs: float
    gated_macs: float
    """Lanes held because the stored weight field is 0."""
    active_macs: float
    """Ungated MACs with a non-zero level and a non-zero activation."""
    idle_lanes: float
    """Lane-beats without a MAC: rows or columns that the layer does not fill."""
    beats: int
    cycles: int
    outputs: int
    counts: Mapping[str, float]


def layer_events(
    program: SizedNetwork,
    layer: Layer,
    arch: Arch,
    timing: TensorCycles,
    *,
    before: TensorCycles | None = None,
    active_macs: float | None = None,
    options: Options | None = None,
    banks: Mapping[str, Count] | None = None,
    outside: OutsideCounts | None = None,
) -> LayerEvents:
    """Events of `layer` for one image.

    timing: of the layer, by `network_cycles`. before: that of the image's way in, whose clock and
    pass the layer pays for (the first one). active_macs: measured mean per image; None assumes that
    no activation code is 0. banks: `written_banks` of the network, where they are known.
    outside: of the plan of an array with external memory.
    """
    if arch.holds:
        return _held(
            program, layer, arch, timing, before, active_macs, options or Options(), banks, outside
        )
    outputs = math.prod(program.tensor_shape(layer.name))
    macs, gated, active = _macs(program, layer, arch, active_macs)
    counts = dict.fromkeys(EVENTS, 0.0)
    busy = macs
    match layer:
        case MacLayer():
            live = macs - gated
            counts |= lane_events(program, layer, arch, timing, ungated=live, active=active)
        case PoolLayer() if layer.sums:
            busy = float(outputs * layer.taps)
            counts |= lane_events(program, layer, arch, timing, ungated=busy, active=busy)
        case PoolLayer() | ConcatLayer() | UpsampleLayer():
            width = program.tensor_format(layer.input).width
            compared = (outputs - stored_codes(program, layer, timing)) * layer.taps
            counts["compare_bit"] = real(compared * width)
        case ThresholdLayer():
            pass
        case _:
            assert_never(layer)
    banks = banks or written_banks(program, arch)
    counts |= output_events(program, layer, outputs)
    counts |= memory_events(program, layer, arch, timing, outputs, banks)
    counts |= network_events(program, layer, arch, options or Options())
    counts |= _time_events(arch, timing, before)
    return LayerEvents(
        name=layer.name,
        macs=macs,
        gated_macs=gated,
        active_macs=active,
        idle_lanes=timing.beats * arch.rows * arch.cols - busy if layer.sums else 0.0,
        beats=timing.beats,
        cycles=timing.cycles,
        outputs=outputs,
        counts=counts,
    )


def _time_events(arch: Arch, timing: TensorCycles, before: TensorCycles | None) -> dict[str, Any]:
    """Events of passes and cycles, with those of the image's way in."""
    passes, cycles = timing.passes, timing.cycles
    if before is not None:
        passes, cycles = passes + before.passes, cycles + before.cycles
    clocked = real(cycles * clocked_bits(arch))
    return arch.lanes.pass_events(arch, passes) | {"clock_bit": clocked}


def _held(
    program: SizedNetwork, layer: Layer, arch: Arch, timing: TensorCycles,
    before: TensorCycles | None, measured: float | None, options: Options,
    banks: Mapping[str, Count] | None, outside: OutsideCounts | None,
) -> LayerEvents:  # fmt: skip
    """The same on an array that holds weights: `held_events`."""
    counts = dict.fromkeys(EVENTS, 0.0)
    macs = live = float(program.macs(layer.name))
    beats, busy, active = 0, macs, 0.0
    if isinstance(layer, MacLayer):
        live = nonzero_macs(program, layer)
        active = live if measured is None else measured
    stage = stage_counts(program, layer, arch, banks or held_banks(program, arch))
    if isinstance(layer, MacLayer | PoolLayer) and layer.sums:
        walk = walk_of(program, layer, arch)
        if outside is not None:
            walk = replace(walk, entered=timing.weight_words)
        beats = walk.beats
        if isinstance(layer, PoolLayer):
            live = active = busy = float(outputs_of(program, layer) * layer.taps)
        counts |= array_counts(program, layer, arch, walk, ungated=live, active=active)
    streamed: frozenset[int] = frozenset()
    if outside is not None:
        streamed = outside.streamed
        stage |= outside.read_parameters(layer, arch)
    counts |= network_events(program, layer, arch, options, streamed)
    for name, count in stage.items():
        counts[name] += count
    if outside is not None:
        for name, count in outside.jobs.get(layer.name, {}).items():
            counts[name] += count
    for name, count in _time_events(arch, timing, before).items():
        counts[name] += count
    return LayerEvents(
        name=layer.name,
        macs=macs,
        gated_macs=macs - live if macs else 0.0,
        active_macs=active if macs else 0.0,
        idle_lanes=beats * arch.rows * arch.cols - busy if layer.sums else 0.0,
        beats=beats,
        cycles=timing.cycles,
        outputs=outputs_of(program, layer),
        counts=counts,
    )


def outputs_of(program: SizedNetwork, layer: Layer) -> int:
    return math.prod(program.tensor_shape(layer.name))


def _macs(
    program: SizedNetwork, layer: Layer, arch: Arch, measured: float | None
) -> tuple[float, float, float]:
    """MACs of a layer with weights: all, gated, active."""
    macs = float(program.macs(layer.name))
    if not isinstance(layer, MacLayer):
        return macs, 0.0, 0.0
    active = nonzero_level_macs(program, layer) if measured is None else measured
    return macs, gated_macs(program, layer, arch), active
