"""The two accelerators of this package: closed forms of their schedules, equal to their hardware.

`first`: every beat reads the weights of all lanes. `held`: a word of weights goes through the
station into the lanes and stays for the pixels of a group, whose sums lie in memories of
2 x hold entries per column. Counts of memories and sums are the events of `cost.events`, which
tests compare with counters of the RTL; registers of products and trees are counted here.
"""

from ...cost.events.flip_flops import flip_flops
from ...cost.events.held_events import array_counts, held_banks, nonzero_macs, stage_counts
from ...cost.events.held_flip_flops import tree_registers
from ...cost.events.held_walks import walk_of
from ...cost.events.lane_events import gated_macs
from ...cost.events.memories import map_bits, parameter_bits, stored_bits, sum_places
from ...cost.events.traffic import Options, memory_events, network_events, written_banks
from ...rtl.arch.arch import Arch
from ...rtl.lanes.terms import tree_bits
from ...rtl.timing.network_cycles import network_cycles
from ...spec.layers import Layer, MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from .moves import (
    DRAM,
    EXTERNAL,
    LANES,
    MAPS,
    OUTPUT,
    PARAMETER_MEMORY,
    REGISTER,
    SUMS,
    WEIGHT_MEMORY,
    WEIGHTS,
    Machine,
    Moves,
)

LANE_REGISTERS = ("station_register_bit", "level_register_bit", "operand_register_bit")


def first(machine: Machine) -> Moves:
    """The accelerator that reads its weights for every pixel."""
    network, arch = machine.network, machine.arch
    banks, flops = written_banks(network, arch), flip_flops(arch)
    clocked = sum(flops[part] for part in ("lanes", "columns"))
    found = Moves()
    for timing in network_cycles(arch, network)[1:]:
        layer = network.layer(timing.name)
        outputs = float(map_bits(network, layer.name) // network.tensor_format(layer.name).width)
        events = memory_events(network, layer, arch, timing, int(outputs), banks)
        external(found, network, layer, arch)
        found.move(WEIGHTS, WEIGHT_MEMORY, float(stored_bits(network, layer, arch)))
        found.move(WEIGHTS, WEIGHT_MEMORY, events.get("weight_read_bit", 0.0))
        found.move(MAPS, machine.maps, events["activation_read_bit"])
        found.move(MAPS, machine.maps, events["activation_write_bit"])
        found.move(OUTPUT, PARAMETER_MEMORY, parameter_bits(network, layer, arch))
        found.move(OUTPUT, PARAMETER_MEMORY, events.get("parameter_read_bit", 0.0))
        found.move(OUTPUT, REGISTER, events.get("drain_register_bit", 0.0))
        if isinstance(layer, MacLayer):
            live = network.macs(layer.name) - gated_macs(network, layer, arch)
            found.move(LANES, REGISTER, live * 2 * operand_bits(network, layer, arch))
        if layer.sums:
            width = tree_bits(arch, arch.level_width + arch.act_width)
            found.move(SUMS, REGISTER, timing.column_beats * (width + arch.acc_width))
            found.clocked += timing.beats * clocked
            found.cycles += timing.beats
    return found


def held(machine: Machine) -> Moves:
    """The accelerator that holds weights."""
    found, network, arch = output_side(machine), machine.network, machine.arch
    flops = flip_flops(arch)
    clocked = flops["lanes"] + flops["columns"] + arch.rows * arch.act_width
    for layer in network.layers:
        if not isinstance(layer, MacLayer | PoolLayer) or not layer.sums:
            continue
        walk, live = walk_of(network, layer, arch), 0.0
        if isinstance(layer, MacLayer):
            live = nonzero_macs(network, layer)
            found.move(LANES, REGISTER, live * operand_bits(network, layer, arch))
        counts = array_counts(network, layer, arch, walk, ungated=live, active=live)
        found.move(WEIGHTS, WEIGHT_MEMORY, float(stored_bits(network, layer, arch)))
        found.move(WEIGHTS, WEIGHT_MEMORY, counts["weight_read_bit"])
        found.move(MAPS, machine.maps, counts["activation_read_bit"])
        found.move(LANES, REGISTER, sum(counts[name] for name in LANE_REGISTERS))
        found.move(SUMS, REGISTER, walk.column_beats(arch.cols) * tree_register_bits(arch))
        found.move(SUMS, column_bits(arch), counts["sums_read_bit"] + counts["sums_write_bit"])
        found.clocked += walk.beats * clocked
        found.cycles += walk.beats
    return found


def column_bits(arch: Arch) -> int:
    """Capacity of a column's accumulator memory."""
    return sum_places(arch) * arch.acc_width


def operand_bits(network: SizedNetwork, layer: MacLayer, arch: Arch) -> int:
    """Bits of a lane's level and activation, and as many of their product."""
    return arch.level_width + network.tensor_format(layer.input).width


def tree_register_bits(arch: Arch) -> int:
    """Of a column."""
    term, _ = arch.lanes.held_term(arch)
    return sum(map(sum, tree_registers(arch, term)))


def external(found: Moves, network: SizedNetwork, layer: Layer, arch: Arch) -> None:
    events = network_events(network, layer, arch, Options())
    found.move(EXTERNAL, DRAM, events["dram_weight_bit"] + events["dram_map_bit"])


def output_side(machine: Machine) -> Moves:
    """All but the array: external memory, maps that are written, residuals, parameters, codes that
    are moved. The same in all machines but the first."""
    network, arch, found = machine.network, machine.arch, Moves()
    banks = held_banks(network, arch)
    for layer in network.layers:
        counts = stage_counts(network, layer, arch, banks)
        external(found, network, layer, arch)
        found.move(MAPS, machine.maps, counts["activation_read_bit"])
        found.move(MAPS, machine.maps, counts["activation_write_bit"])
        found.move(OUTPUT, PARAMETER_MEMORY, parameter_bits(network, layer, arch))
        found.move(OUTPUT, PARAMETER_MEMORY, counts.get("parameter_read_bit", 0.0))
    return found
