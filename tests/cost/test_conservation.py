"""Conservation: sums of layers, energies linear in events, and when twice the lanes are no slower.

Twice the rows never cost a cycle. Twice the columns can: every sum leaves through a drain of one
code per cycle, idle columns included. For a layer without groups with N column blocks of P pixels,
W busy cycles per sum and c columns, the cycles that depend on c are

    (N P - 1) max(W, c) + c                       N = ceil(outputs / c)

so doubling c raises them exactly when (N' P - 1) max(W, 2c) + c > (N P - 1) max(W, c). It never
does when N is even, nor when N >= 3 and W >= 2c; it always does when N = 1, where the new columns
stand idle.
"""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import random_net

from adqhw.cost.estimate.energy import event_prices, price
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.events.events import EVENTS, LayerEvents
from adqhw.cost.events.memories import Memories
from adqhw.cost.technology.technology import BAND_KEYS, load
from adqhw.cost.topologies.assumed import Assumptions, assumed_network
from adqhw.cost.topologies.topology import LayerSize, Topology
from adqhw.rtl.program.fit import narrowest, narrowest_lanes
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.rtl.timing.schedule import layer_schedule
from adqhw.spec.program import SizedNetwork

MICROS = ("decode", "uniform", "bit_serial", "product_table", "binned")
small = st.integers(1, 9)


@st.composite
def layers(draw: st.DrawFn, depthwise: bool = False) -> LayerSize:
    height, width = draw(small), draw(small)
    return LayerSize(
        name="layer",
        height=height,
        width=width,
        filter_height=draw(st.integers(1, min(height, 3))),
        filter_width=draw(st.integers(1, min(width, 3))),
        channels=1 if depthwise else draw(st.integers(1, 40)),
        filters=draw(st.integers(1, 3 if depthwise else 40)),
        stride=draw(st.integers(1, 2)),
        repeat=draw(st.integers(1, 40)) if depthwise else 1,
    )


def program_of(size: LayerSize) -> SizedNetwork:
    return assumed_network(Topology(name="one", layers=(size,)), Assumptions())


def cycles_of(program: SizedNetwork, rows: int, cols: int, micro: str) -> int:
    arch = narrowest_lanes(program, rows=rows, cols=cols, micro=micro)
    return network_cycles(arch, program)[1].cycles


sizes = st.integers(1, 24)


@settings(max_examples=60)
@given(st.one_of(layers(), layers(depthwise=True)), sizes, sizes, st.sampled_from(MICROS))
def test_twice_the_rows_never_raise_the_cycles(size, rows, cols, micro):
    """Without groups any more rows will do; with groups, twice as many only merge tiles."""
    program = program_of(size)
    before = cycles_of(program, rows, cols, micro)
    assert cycles_of(program, 2 * rows, cols, micro) <= before
    if size.repeat == 1:
        assert cycles_of(program, rows + 1, cols, micro) <= before


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("micro", ["decode", "bit_serial"])
def test_twice_the_rows_never_raise_any_layer_of_a_random_network(seed, micro):
    program = random_net(seed)
    for cols in (1, 3, 8):
        archs = [narrowest(program, rows=r, cols=cols, micro=micro) for r in (1, 2, 4, 8)]
        found = [[model.cycles for model in network_cycles(arch, program)] for arch in archs]
        for before, after in pairwise(found):
            assert all(b <= a for a, b in zip(before, after, strict=True))


@settings(max_examples=120)
@given(layers(), sizes, sizes, st.sampled_from(MICROS))
def test_when_twice_the_columns_raise_the_cycles(size, rows, cols, micro):
    size = size.as_product()  # what the array is given
    program = program_of(size)
    arch = narrowest_lanes(program, rows=rows, cols=cols, micro=micro)
    depth = -(-size.channels // rows) * size.filter_height * size.filter_width
    busy = layer_schedule(arch, program, program.layers[0]).group_cycles(depth)
    one, two = -(-size.filters // cols), -(-size.filters // (2 * cols))
    grown = (two * size.pixels - 1) * max(busy, 2 * cols) + cols
    grown -= (one * size.pixels - 1) * max(busy, cols)
    change = cycles_of(program, rows, 2 * cols, micro) - cycles_of(program, rows, cols, micro)
    assert change == grown
    if one % 2 == 0 or (one >= 3 and busy >= 2 * cols):
        assert change <= 0
    if one == 1:
        assert change >= cols


counts = st.fixed_dictionaries({name: st.floats(0, 1e9) for name in EVENTS})


def events(values: dict[str, float]) -> LayerEvents:
    nothing = dict.fromkeys(("macs", "gated_macs", "active_macs", "idle_lanes"), 0.0)
    return LayerEvents(name="x", **nothing, beats=0, cycles=0, outputs=0, counts=values)


@given(counts, counts, st.floats(0, 1e3), st.sampled_from(["unit", "literature45"]))
def test_energy_is_linear_in_events(one, other, factor, name):
    capacity = Memories(weight_bits=1 << 20, activation_bits=1 << 17, parameter_bits=1 << 12)
    prices = event_prices(load(name), capacity)
    mixed = price(events({e: one[e] + factor * other[e] for e in EVENTS}), prices)
    alone = [price(events(values), prices) for values in (one, other)]
    for part, band in mixed.parts.items():
        for corner in BAND_KEYS:
            first, second = (getattr(energy.parts[part], corner) for energy in alone)
            assert getattr(band, corner) == pytest.approx(first + factor * second, rel=1e-9)


@pytest.mark.parametrize("micro", MICROS)
def test_layers_sum_to_the_total_on_every_micro_architecture(micro):
    program = random_net(3)
    arch = narrowest(program, rows=4, cols=3, micro=micro)
    result = estimate(program, arch, load("literature45"))
    assert result.cycles == sum(layer.events.cycles for layer in result.layers)
    for corner in BAND_KEYS:
        total = getattr(result.energy.total, corner)
        assert sum(getattr(x.energy.total, corner) for x in result.layers) == pytest.approx(total)
        split = (getattr(band, corner) for band in result.energy.split.values())
        assert sum(split) == pytest.approx(total)


BY_HAND = {
    "multiply_bit2": 3 * 2 * 8,  # 4 MACs, one gated; 2-bit activations, 8-bit levels
    "lookup_mux_bit": 3 * 3 * 8,  # 3 multiplexers of a tree of 4 levels
    "tree_add_bit": 2 * 11,  # one adder per output
    "accumulate_bit": 2 * 11,  # sums in -768..762: 11 bits
    "accumulator_register_bit": 2 * 11,
    "drain_register_bit": 4 * 11,  # a load and a shift of 2 columns
    "requant_multiply_bit2": 2 * 2 * 11,  # multiplier 1: 2 bits
    "requant_add_bit": 2 * 2 * (2 + 11),
    # 23 cycles, and 7 of the image; flip-flops: 4 lanes of 21, 2 columns of 22, 3 levels of 8, 14
    # of control, 25 of the drain, 18 of the threshold and 101 of the requant unit
    "clock_bit": 30 * (4 * 21 + 2 * 22 + 24 + 14 + 25 + 18 + 101),
    "weight_read_bit": 4 * 2,  # one beat of 4 codes
    "weight_load_bit": 4 * 2 + 4 * 8,  # codes and codebook
    "activation_read_bit": 2 * 2,
    "activation_write_bit": 2 * 2,  # the image in; the logits leave at once
    "table_read_bit": 4 * 8,
    "codebook_register_bit": 4 * 8,
    "parameter_write_bit": 4,  # one shared row of 2 + 2 bits
    "parameter_read_bit": 4,
    "dram_weight_bit": 4 * 2 + 4 * 8 + 4,
    "dram_map_bit": 2 * 2 + 2 * 32,
}


def test_a_layer_counted_by_hand_costs_its_events_in_the_unit_technology():
    """2 inputs, 2 outputs, 2-bit codes and activations on 2 x 2 lanes: one beat, one sum each.

    Cycles: 5 of the pass, 4 levels, 2 to the first beat, 1 beat, 4 + 1 + 5 through array, drain
    and requant, 1 for the second column.
    """
    size = LayerSize(
        name="fc", height=1, width=1, filter_height=1, filter_width=1, channels=2, filters=2,
        stride=1,
    )  # fmt: skip
    assumed = Assumptions(weight_bits=2, act_bits=2)
    program = assumed_network(Topology(name="fc", layers=(size,)), assumed)
    result = estimate(program, narrowest_lanes(program, rows=2, cols=2), load("unit"))
    counted = result.layers[0].events.counts
    assert {name: value for name, value in counted.items() if value} == BY_HAND
    assert result.energy.total.as_dict() == dict.fromkeys(BAND_KEYS, sum(BY_HAND.values()))
    assert result.cycles == 5 + 4 + 2 + 1 + 10 + 1


def test_twice_the_price_is_twice_the_energy_of_that_part_only():
    program = random_net(1)
    arch = narrowest(program, rows=3, cols=3)
    table = load("literature45")
    entries = dict(table.entries)
    entries["register"] = replace(entries["register"], value=entries["register"].value * 2)
    plain, dearer = (
        estimate(program, arch, t).energy for t in (table, replace(table, entries=entries))
    )
    assert dearer.parts["multiply"] == plain.parts["multiply"]
    assert dearer.parts["weights"] == plain.parts["weights"]
    assert dearer.parts["accumulate"].expected > plain.parts["accumulate"].expected


def test_a_bare_depthwise_layer_has_the_schedule_of_a_program():
    """64 channels, 3 x 3, 12 x 12 outputs on 16 x 16: 4 tiles of 9 positions, 144 pixels."""
    size = LayerSize(
        name="dw", height=14, width=14, filter_height=3, filter_width=3, channels=1, filters=1,
        stride=1, repeat=64,
    )  # fmt: skip
    program = program_of(size)
    arch = narrowest_lanes(program, rows=16, cols=16)
    model = network_cycles(arch, program)[1]
    assert (model.beats, model.passes, model.column_beats) == (4 * 9 * 144, 4, 64 * 9 * 144)
    counts = estimate(program, arch, load("unit")).layers[0].events.counts
    assert counts["weight_read_bit"] == 5184 * 256 * 4
    assert counts["weight_load_bit"] == 36 * 256 * 4 + 16 * 8
    assert counts["tree_add_bit"] == 0
