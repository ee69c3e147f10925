"""The two accelerators of this package: closed forms of their schedules, equal to their hardware.

`first`: every beat reads the weights of all lanes. `held`: a word of weights goes through the
station into the lanes and stays for the pixels of a group, whose sums lie in memories of
2 x hold entries per column.
"""

from collections.abc import Mapping

from ...cost.events.flip_flops import flip_flops
from ...cost.events.held_walks import (
    Walk,
    chained,
    direct_words,
    parameter_rows,
    pooled_words,
    residual_words,
    stored_image_bits,
    walk_of,
)
from ...cost.events.lane_events import gated_macs
from ...cost.events.memories import (
    codebook_bits,
    map_bits,
    parameter_bits,
    row_bits,
    stored_bits,
    word_bits,
)
from ...cost.events.traffic import Options, memory_events, network_events, written_banks
from ...rtl.arch.arch import Arch
from ...rtl.lanes.terms import tree_bits
from ...rtl.timing.held_timing import TREE_LEVELS, tree_stages
from ...rtl.timing.network_cycles import network_cycles
from ...rtl.timing.tables import has_rows, output_of
from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer, ThresholdLayer
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
    written,
)  # fmt: skip


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
    found = Moves()
    for layer in machine.network.layers:
        output_side(found, machine, layer)
        if isinstance(layer, MacLayer | PoolLayer) and layer.sums:
            _held_sums(found, machine, layer, walk_of(machine.network, layer, machine.arch))
    return found


def _held_sums(found: Moves, machine: Machine, layer: MacLayer | PoolLayer, walk: Walk) -> None:
    network, arch = machine.network, machine.arch
    word, lanes = float(word_bits(layer, arch)), arch.rows * arch.cols
    found.move(WEIGHTS, WEIGHT_MEMORY, walk.stored * word + codebook_bits(layer, arch))
    found.move(WEIGHTS, WEIGHT_MEMORY, walk.words * word)
    width = network.tensor_format(layer.input).width
    found.move(MAPS, machine.maps, walk.reads * arch.rows * width)
    found.move(LANES, REGISTER, 2 * walk.words * lanes * arch.level_width)  # station, lanes
    found.move(LANES, REGISTER, walk.beats * arch.rows * width)
    if isinstance(layer, MacLayer):
        live = network.macs(layer.name) - gated_macs(network, layer, arch)
        found.move(LANES, REGISTER, live * operand_bits(network, layer, arch))
    found.move(SUMS, REGISTER, walk.column_beats(arch.cols) * stage_bits(arch))
    sums = (2 * walk.beats - walk.sums) * arch.cols * arch.acc_width  # written, and read if begun
    found.move(SUMS, column_bits(arch), sums + walk.sums * arch.cols * arch.acc_width)
    found.clocked += walk.beats * held_flip_flops(arch)
    found.cycles += walk.beats


def column_bits(arch: Arch) -> int:
    """Capacity of a column's accumulator memory."""
    return 2 * arch.hold * arch.acc_width


def operand_bits(network: SizedNetwork, layer: MacLayer, arch: Arch) -> int:
    """Bits of a lane's level and activation, and as many of their product."""
    return arch.level_width + network.tensor_format(layer.input).width


def stage_bits(arch: Arch) -> int:
    """Registers of a column's adder tree, a stage every `TREE_LEVELS` additions."""
    bits, terms, width = 0, arch.rows, arch.level_width + arch.act_width
    for _ in range(tree_stages(arch)):
        terms, width = -(-terms // (1 << TREE_LEVELS)), min(width + TREE_LEVELS, arch.acc_width)
        bits += terms * width
    return bits


def held_flip_flops(arch: Arch) -> int:
    """Station, levels and products of the lanes, the rows' activations, the trees."""
    lanes = arch.rows * arch.cols * (3 * arch.level_width + arch.act_width)
    return lanes + arch.rows * arch.act_width + arch.cols * stage_bits(arch)


def external(found: Moves, network: SizedNetwork, layer: Layer, arch: Arch) -> None:
    events = network_events(network, layer, arch, Options())
    found.move(EXTERNAL, DRAM, events["dram_weight_bit"] + events["dram_map_bit"])


def output_side(found: Moves, machine: Machine, layer: Layer) -> None:
    """All but the array: external memory, maps that are written, residuals, parameters, codes that
    are moved. The same in all machines but the first."""
    network, arch = machine.network, machine.arch
    external(found, network, layer, arch)
    chains = chained(network)
    readers = [other.name for other in network.layers if layer.name in other.reads]
    unread = bool(readers) and all(chains.get(name) == layer.name for name in readers)
    if not unread:
        found.move(MAPS, machine.maps, written(network, layer))
    if layer is network.layers[0]:
        found.move(MAPS, machine.maps, stored_image_bits(network, arch))
    found.move(MAPS, machine.maps, _moved_words(network, layer, arch, chains) * arch.rows)
    if has_rows(network, layer):
        _parameters(found, machine, layer)


def _moved_words(network: SizedNetwork, layer: Layer, arch: Arch, chains: Mapping[str, str]) -> int:
    """Words of residuals, of codes that take a pass of their own and of max pools, times width."""
    if layer.skip is not None and isinstance(layer, MacLayer | PoolLayer):
        words = residual_words(network, layer, walk_of(network, layer, arch), arch)
        return words * network.tensor_format(layer.skip.tensor).width
    width = network.tensor_format(layer.input).width
    if isinstance(layer, PoolLayer) and layer.kind is LayerKind.MAX_POOL:
        return pooled_words(network, layer, arch) * width
    if layer.sums or layer.name in chains:
        return 0
    return direct_words(network, layer, arch) * width


def _parameters(found: Moves, machine: Machine, layer: Layer) -> None:
    network, arch = machine.network, machine.arch
    row, kept = row_bits(layer, arch) * arch.out_lanes, parameter_bits(network, layer, arch)
    rows = 1
    if output_of(layer).channels > 1:
        source: Layer = layer
        if isinstance(layer, ThresholdLayer):
            source = network.layer(chained(network).get(layer.name, layer.name))
        if isinstance(source, MacLayer | PoolLayer) and source.sums:
            rows = parameter_rows(walk_of(network, source, arch), arch)
        else:
            channels, height, width = network.tensor_shape(layer.name)
            rows = -(-channels // arch.out_lanes) * height * width
    found.move(OUTPUT, PARAMETER_MEMORY, float(kept + rows * row))
