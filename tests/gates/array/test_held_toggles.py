"""Toggles of arrays that hold weights: those of the RTL's registers, and a group by hand."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator
from held_ports import netlist_of, ports_of, words_of
from small_nets import small_net

from adqhw.gates.array.array_gates import RESET_ROWS
from adqhw.gates.array.held_gates import group_times, held_stimulus
from adqhw.gates.array.held_streams import held_recorded, held_toggles
from adqhw.gates.play.simulation import COUNT
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.array.held_array import HeldArray
from adqhw.rtl.lanes.held_toggles import HELD_TOGGLES, group_toggles
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.held_timing import tree_stages
from adqhw.rtl.timing.schedule import Schedule
from adqhw.spec import golden
from adqhw.spec.program import INPUT

PROGRAM = small_net(shifts=True)
IMAGES = np.random.default_rng(5).integers(0, 256, (1, 3, 4, 4)).astype(np.uint8)
TENSORS = {INPUT: IMAGES, **golden.run(PROGRAM, IMAGES, keep="all").tensors}
FIRST, CODED = [layer.name for layer in PROGRAM.mac_layers][:2]
SIZE = {"rows": 5, "cols": 4, "hold": 4, "fill": 2}
VARIANTS = {
    "levels of codes": ({"micro": "decode"}, CODED),
    "levels": ({"micro": "uniform"}, FIRST),
    "digits": ({"micro": "uniform", "multiply_width": 3}, FIRST),
    "bits": ({"micro": "bit_serial"}, CODED),
    "a table": ({"micro": "product_table"}, CODED),
    "a table of integers": ({"micro": "product_table"}, FIRST),
    "shifts": ({"micro": "shift_add"}, CODED),
    "levels bit by bit": ({"micro": "shift_add"}, FIRST),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_toggles_are_those_of_the_registers(name):
    """In a group that never waits, from the last beat of the group before on."""
    options, layer = VARIANTS[name]
    arch = narrowest(PROGRAM, **SIZE, **options)
    found = held_recorded(arch, PROGRAM, layer, TENSORS, most_beats=1)
    (group,) = found.groups
    toggles = group_toggles(arch, found, group.activations, group.fields)
    held, trees = registers(arch, found, group)
    assert flips(held) == toggles["level"] > 0
    terms = (1 << arch.lanes.held_term(arch)[0]) - 1
    assert sum(flips(tree[0] & terms) for tree in trees) == toggles["term"] > 0
    last = tree_stages(arch)  # what follows is the sum at the place of its digit
    assert sum(flips(stage) for tree in trees for stage in tree[1:last]) == toggles["partial"] > 0
    assert sum(flips(tree[last]) for tree in trees) == toggles["sum"] > 0


def registers(arch, stream, group):
    """Of all columns in the cycles of the group, each beginning with the cycle before: what the
    lanes hold, and of every tree its terms, partial sums and sum."""
    times = group_times(arch, stream, group.pixels)
    assert times.period == len(group.fields) * group.pixels * stream.work.beat_cycles
    dut = HeldArray(arch)
    ports = ports_of(dut)
    stimulus = held_stimulus(arch, netlist_of(ports), stream, group)
    words = {n: words_of(stimulus.ports[n]) for n in ports}
    begin = int(np.flatnonzero(stimulus.flags & COUNT)[0])
    seen = []

    wide = (1 << arch.acc_width) - 1

    def bits(ctx, signals):
        """Signs as wide as the sums."""
        return [ctx.get(signal) & wide for signal in signals]

    async def play(ctx):
        for row in range(RESET_ROWS, len(stimulus.flags)):
            for port, signal in ports.items():
                ctx.set(signal, words[port][row])
            columns = dut.columns
            held = [bit for column in columns for bit in bits(ctx, column.held)]
            stages = [
                [
                    [bit for one in columns for bit in bits(ctx, one.stages[tree][stage])]
                    for stage in range(len(columns[0].stages[0]))
                ]
                for tree in range(len(columns[0].stages))
            ]
            seen.append((held, stages))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(play)
    simulator.run()

    def window(late, take):
        first = begin - RESET_ROWS + late
        return np.array([take(entry) for entry in seen[first : first + times.period + 1]])

    # taken in `begin`, a beat is in the operand registers one cycle later, its terms follow
    late = dut.columns[0].term_cycles
    depth = len(seen[0][1][0])
    trees = [
        [window(late + stage, lambda e, t=tree, s=stage: e[1][t][s]) for stage in range(depth)]
        for tree in range(len(seen[0][1]))
    ]
    return window(0, lambda entry: entry[0]), trees


def flips(values):
    return int(np.bitwise_count(values[1:] ^ values[:-1]).sum())


def one_lane(activations, fields):
    """Two groups of two pixels on one lane: activations (2, words, 2)."""
    arch = Arch(
        rows=1, cols=1, act_width=4, weight_width=2, level_width=3, acc_width=10, channels=1,
        hold=2, micro="decode",
    )  # fmt: skip
    layer = Layer()
    acts = np.array(activations)[..., None]
    return group_toggles(arch, layer, acts, np.array(fields).reshape(-1, 1, 1))


class Layer:
    """Codes 1, 2, 3 are levels 3, 1, -3."""

    weight_bits, level_width, work = 2, 3, Schedule()
    codebook = [{"code": code, "level": level} for code, level in enumerate((0, 3, 1, -3))]


def test_a_group_by_hand():
    """Words of codes 1 and 3: levels 3 and -3, 011 and 101.

    Activations of the pixels: 5, 9 for the first word, 6, 6 for the second; before them 6.
    Terms -18 | 15 27 -18 -18: 1101110 | 0001111 0011011 1101110 1101110.
    Sums of slot 0: 15, -3; of slot 1: 27, 9.
    """
    found = one_lane([[[1, 2], [3, 6]], [[5, 9], [6, 6]]], [1, 3])
    assert set(found) == set(HELD_TOGGLES)
    acts = 2 + 2 + 4 + 0  # 0110 | 0101 1001 0110 0110
    assert found["step"] == 4
    assert found["bus"] == acts + (1 + 1)  # codes 11 | 01 11
    assert found["port"] == found["level"] == 2 + 2  # 101 | 011 101
    assert found["operand"] == acts
    assert found["factor"] == found["level"]
    # each activation before and after has two ones, each level too
    assert found["multiply"] == 2 * acts + 2 * (2 + 2)
    assert found["term"] == 3 + 2 + 5 + 0
    assert found["partial"] == found["word"] == found["reach"] == 0
    assert found["sum"] == 6 + 2 + 8 + 0  # three more signs
    # places -3 15 -3 and 9 27 9: 1111111101 0000001111 ..., 0000001001 0000011011 ...
    assert found["stored"] == 2 * 7 + 2 * 2
    # in time: written 15 27 -3 9, read -3 9 15 27, and of the group before -3 9
    assert found["written"] == 2 + 7 + 7
    assert found["read"] == 7 + 2 + 2 + 7


def test_a_layer_is_its_groups():
    arch = narrowest(PROGRAM, **SIZE)
    found = held_recorded(arch, PROGRAM, CODED, TENSORS)
    alone = [held_toggles(arch, replace(found, groups=(group,))) for group in found.groups]
    whole = held_toggles(arch, found)
    assert whole == {name: sum(one[name] for one in alone) for name in HELD_TOGGLES}
    assert whole["stored"] > 0
