"""Invariants of the cost model: conservation, linearity, order of corners, more lanes."""

from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net
from hypothesis import given
from hypothesis import strategies as st
from programs import Builder, random_images

from adqhw.cost.estimate.baseline import uniform_baseline
from adqhw.cost.estimate.energy import Energy, area, ratio
from adqhw.cost.estimate.estimate import ASSUMED, estimate, measure
from adqhw.cost.events.events import PARTS
from adqhw.cost.events.flip_flops import flip_flops
from adqhw.cost.events.memories import memories
from adqhw.cost.events.traffic import Options
from adqhw.cost.technology.technology import ZERO, Band, Technology, load
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.cycles import layer_cycles
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.spec import (
    Codebook,
    InputError,
    IntFormat,
    LayerKind,
    MacLayer,
    PoolLayer,
    Program,
    Threshold,
)

NET = small_net()
LITERATURE = load("literature45")


def cost(rows: int = 8, cols: int = 8, micro: str = "decode", technology=LITERATURE, **options):
    arch = narrowest(NET, rows=rows, cols=cols, micro=micro)
    return estimate(NET, arch, technology, **options)


def scaled(technology: Technology, factor: float, names: tuple[str, ...]) -> Technology:
    entries = dict(technology.entries)
    for name in names:
        entries[name] = replace(entries[name], value=entries[name].value * factor)
    return replace(technology, entries=entries)


PRICES = {
    "multiply": 2.0, "multiply_zero_act": 1.0, "add": 3.0, "compare": 5.0, "mux": 7.0,
    "select": 19.0, "register": 11.0, "clock": 1.0, "datapath_overhead": 2.0, "sram": 13.0,
    "dram": 17.0, "area_overhead": 1.5, "sram_area": 0.5,
}  # fmt: skip
"""pJ; a memory's size does not count (flat law). Areas that are not named are 1."""


def priced() -> Technology:
    """`PRICES`, each with half and double as its bar, but for the two overheads."""
    unit = load("unit")
    entries = {}
    for name, entry in unit.entries.items():
        price = PRICES.get(name, 1.0)
        reach = 1.0 if name.endswith("overhead") else 2.0
        value = Band(low=price / reach, expected=price, high=price * reach)
        entries[name] = replace(entry, value=value)
    return replace(unit, name="priced", entries=entries, sram_law="flat")


def two_layers() -> Program:
    """A 1x1 convolution, 2 -> 3 channels on a 2 x 2 map of u4 codes, 2-bit codes of 3-bit levels, a
    1-bit output; then a 2 x 2 maximum of each channel, whose codes are the result."""
    conv = MacLayer(
        name="conv", input="input", weights=np.reshape([1, 0, 3, 1, 0, 3], (3, 2, 1, 1)),
        weight_width=2, codebook=Codebook(levels=(0, 3, 0, -3), width=2),
        output=Threshold(tau=[[1], [2], [3]], sign=[1, 1, 1]),
    )  # fmt: skip
    pool = PoolLayer(name="pool", input="conv", kind=LayerKind.MAX_POOL, kernel=2, stride=2)
    return Program(input_shape=(2, 2, 2), input_format=IntFormat(width=4), layers=(conv, pool))


# conv, as in tests/cost/events/test_events.py, but that its 12 codes stay on the chip. 24 MACs, 8
# of them gated; 8 groups of one beat; 7-bit sums; 35 cycles, and 5 + 8 in which the image comes
# in. 204 flip-flops on 2 x 2 lanes of these widths.
CONV = {
    "multiply": 16 * 4 * 3 * 2.0 * 2,
    "lookup": 16 * 3 * 3 * 7.0,
    "add": 12 * 7 * 3.0 * 2,
    "accumulate": 12 * 7 * (3.0 * 2 + 11.0) + 8 * 2 * 2 * 7 * 11.0,
    "output": 12 * 1 * 7 * 5.0 * 2,
    "clock": (35 + 5 + 8) * 204 * 1.0,
    "weights": (8 * 4 * 2 + 2 * 4 * 2 + 12) * 13.0,  # read; loaded: two words and the codebook
    "activations": (8 * 2 * 4 + 2 * 4 * 4 + 12 * 1) * 13.0,  # words read; image and codes written
    "tables": 12 * (13.0 + 11.0) + (3 * 9 + 8 * 2 * 9) * 13.0,
    "dram": (6 * 2 + 12 + 3 * (3 + 1)) * 17.0 + 2 * 4 * 4 * 17.0,  # the network; the image
}
# pool. 12 codes of 1 bit are compared. 2 words of 2 codes for each of 4 positions, then a word for
# each of 3 results; 2 words written. One shared row: multiplier 2 and bias 2 bits. Two passes of 5
# cycles and 2 to the first operand; 8 words and 1 through the maximum, 3 codes and 5 through the
# requant unit: 31 cycles.
POOL = {
    "output": 12 * 1 * 5.0 * 2,
    "clock": 31 * 204 * 1.0,
    "activations": (4 * 2 * 2 + 3 * 2 + 2 * 2) * 1 * 13.0,
    "tables": (4 + 4) * 13.0,
    "dram": 3 * 1 * 17.0,
}


def test_energy_by_hand():
    result = estimate(two_layers(), narrowest(two_layers(), rows=2, cols=2), priced())
    for layer, parts in zip(result.layers, (CONV, POOL), strict=True):
        energies = {part: band.expected for part, band in layer.energy.parts.items()}
        assert {part: pj for part, pj in energies.items() if pj} == parts
    assert [layer.events.cycles for layer in result.layers] == [35, 31]
    datapath = 768 + 1008 + 504 + 3892 + 840 + 9792 + 120 + 6324
    memory = 1196 + 1404 + 2511 + 338 + 104
    split = {name: band.expected for name, band in result.energy.split.items()}
    assert split == {"datapath": datapath, "memory": memory, "dram": 1156 + 51}
    total = result.energy.total
    assert (total.low, total.expected, total.high) == (15_004, 30_008, 60_016)


def test_the_json_record_by_hand():
    record = estimate(two_layers(), narrowest(two_layers(), rows=2, cols=2), priced()).to_dict()
    total = record["total"]
    assert (total["macs"], total["cycles"], total["input_cycles"]) == (24, 35 + 31, 5 + 8)
    assert total["energy_pj"] == {"low": 15_004, "expected": 30_008, "high": 60_016}
    assert total["split_pj"]["dram"]["expected"] == 1156 + 51
    assert [layer["energy_pj"]["expected"] for layer in record["layers"]] == [23_071, 6_937]
    # 2 x 2 lanes: multipliers 4 x 4 x 3 bit^2, at 1 um2 and the overhead of 1.5
    assert record["area_um2"]["multipliers"]["expected"] == 4 * 4 * 3 * 1.5
    assert record["area_um2"]["weight memory"]["expected"] == (2 * 4 * 2 + 12) * 0.5
    # maps of 8 u4 codes and 12 of 1 bit are alive together
    assert record["area_um2"]["activation memory"]["expected"] == (8 * 4 + 12) * 0.5
    assert record["area_um2"]["parameter memory"]["expected"] == (3 * 9 + 4) * 0.5
    assert record["technology"] == "priced"
    assert record["statistics"] == ASSUMED


def test_low_is_below_expected_is_below_high():
    result = cost()
    bands = [p for layer in result.layers for p in layer.energy.parts.values()]
    for band in [*bands, *result.area.values()]:
        assert 0 <= band.low <= band.expected <= band.high
    assert result.energy.total.low < result.energy.total.expected < result.energy.total.high


def test_energy_is_linear_in_the_technology():
    energies = ("multiply", "multiply_zero_act", "add", "compare", "mux", "select", "register")
    energies = (*energies, "clock", "sram")
    twice = cost(technology=scaled(LITERATURE, 2.0, (*energies, "dram")))
    assert twice.energy.total.expected == pytest.approx(2 * cost().energy.total.expected)


def test_an_entry_moves_its_own_split_only():
    dearer = cost(technology=scaled(LITERATURE, 3.0, ("dram",))).energy.split
    plain = cost().energy.split
    assert dearer["dram"].high == pytest.approx(3 * plain["dram"].high)
    assert dearer["datapath"] == plain["datapath"]
    assert dearer["memory"] == plain["memory"]


@pytest.mark.parametrize("seed", range(3))
def test_more_rows_never_take_more_cycles(seed):
    program = small_net(seed)
    cycles = [
        sum(
            layer_cycles(narrowest(program, rows=rows, cols=4), program, layer.name).cycles
            for layer in program.layers
        )
        for rows in (1, 2, 4, 8, 16, 32)
    ]
    assert cycles == sorted(cycles, reverse=True)


@pytest.mark.parametrize("cols", [1, 2, 4])
def test_twice_the_columns_never_take_more_cycles_while_they_hide_behind_the_depth(cols):
    """The drain gives one sum per cycle: with 2 cols <= depth it never holds the array up.

    The last group still leaves in `cols` outputs, so a layer of one group may wait for those.
    """
    one, two = (narrowest(NET, rows=4, cols=c) for c in (cols, 2 * cols))
    for layer in NET.layers:
        before, after = layer_cycles(one, NET, layer.name), layer_cycles(two, NET, layer.name)
        if before.depth >= 2 * cols:
            assert after.cycles <= before.cycles + cols


def test_gating_and_zero_activations_save_energy():
    """Measured zeros can only cost less than the assumption that there are none."""
    measured = measure(NET, random_images(NET, 3))
    with_zeros = cost(activity=measured)
    assert with_zeros.statistics == "measured on 3 images"
    assert with_zeros.energy.parts["multiply"].expected < cost().energy.parts["multiply"].expected
    assert with_zeros.energy.split["memory"] == cost().energy.split["memory"]


def test_activity_is_a_mean_per_image():
    """The same image three times is the same mean."""
    image = random_images(NET, 4)[3:]
    thrice = cost(activity=measure(NET, np.repeat(image, 3, axis=0)))
    once = cost(activity=measure(NET, image))
    assert thrice.energy.total.expected == pytest.approx(once.energy.total.expected)
    assert measure(NET, None) is None


def test_uniform_baseline_stores_levels():
    """Hidden layers read 8-bit levels instead of 4-bit codes; the 8-bit ends read the same."""
    decode = cost()
    uniform = uniform_baseline(decode, NET)
    for ours, theirs in zip(decode.layers, uniform.layers, strict=True):
        layer = NET.layer(ours.name)
        table = getattr(layer, "codebook", None)  # `decode` also loads it, a cycle per level
        assert ours.events.cycles - theirs.events.cycles == (len(table.levels) if table else 0)
        reads = theirs.events.counts["weight_read_bit"], ours.events.counts["weight_read_bit"]
        if ours.weight_width == 4:
            assert reads[0] == 2 * reads[1]
        else:
            assert reads[0] == reads[1]
    assert uniform.energy.parts["lookup"] == ZERO
    assert decode.energy.parts["lookup"].expected > 0
    assert "lookup" not in uniform.area
    assert ratio(uniform.energy, uniform.energy) == Band.exactly(1.0)


def energies(values: list[float]) -> Energy:
    """Energy with the given expected values in multiply, weights, dram; corners 1/2 and 2."""
    parts = dict.fromkeys(PARTS, ZERO)
    for name, value in zip(("multiply", "weights", "dram"), values, strict=True):
        parts[name] = Band(low=value / 2, expected=value, high=value * 2)
    return Energy(parts=parts)


positive = st.lists(st.floats(1.0, 1e6), min_size=3, max_size=3)


@given(ours=positive, theirs=positive, scale=st.lists(st.floats(0.5, 2), min_size=3, max_size=3))
def test_the_bar_of_a_ratio_holds_every_mixture_of_corners(ours, theirs, scale):
    """Each split's energies scaled together by anything between its corners stays inside."""
    bar = ratio(energies(ours), energies(theirs))
    mixed = np.dot(ours, scale) / np.dot(theirs, scale)
    assert bar.low * (1 - 1e-9) <= mixed <= bar.high * (1 + 1e-9)
    assert bar.low <= bar.expected <= bar.high


def test_a_ratio_to_nothing_is_none():
    result = cost(options=Options(weights_from_dram=False)).energy
    assert ratio(result, Energy(), ("dram",)) is None


def test_area_counts_lanes_and_memories():
    """Unit prices: 2 x 2 lanes; the numbers are widths of the Arch multiplied out."""
    arch = narrowest(NET, rows=2, cols=2)
    capacity = memories(NET, arch)
    components = area(arch, load("unit"), capacity)
    product = arch.act_width + arch.level_width
    assert components["multipliers"].expected == 4 * 8 * arch.level_width
    assert components["lookup"].expected == 4 * 15 * arch.level_width
    assert components["codebook registers"].expected == 15 * arch.level_width  # level 0 has none
    assert components["adder trees"].expected == 2 * (product + 1)
    assert components["accumulators and drain"].expected == 4 * 2 * arch.acc_width
    assert components["weight memory"].expected == capacity.weight_bits


def test_a_program_that_does_not_fit_is_refused_by_name():
    arch = replace(narrowest(NET, rows=4, cols=4), acc_width=6)
    with pytest.raises(InputError, match="acc_width must be at least"):
        estimate(NET, arch, LITERATURE)


def test_max_pooling_counts_its_words_and_comparisons():
    """2 channels on 2 rows, 4 x 4 to 2 x 2: 4 windows of 4 words of two 8-bit codes."""
    b = Builder(np.random.default_rng(0), (2, 4, 4))
    b.pool(LayerKind.MAX_POOL, 2, 2)
    b.mac(2, kernel=1)
    program = b.build()
    arch = narrowest(program, rows=2, cols=2)
    pool = estimate(program, arch, load("unit")).layers[0]
    counts = {name: count for name, count in pool.events.counts.items() if count}
    clocked = pool.events.cycles + network_cycles(arch, program)[0].cycles
    assert counts.pop("clock_bit") == clocked * sum(flip_flops(arch).values())
    assert counts == {
        "activation_read_bit": 4 * 4 * 2 * 8,
        "compare_bit": 2 * 4 * 4 * 8,
        "activation_write_bit": 2 * 4 * 8 + 2 * 16 * 8,  # its maxima; the image, as the first layer
        "dram_map_bit": 2 * 16 * 8,
    }
    assert pool.events.cycles == network_cycles(arch, program)[1].cycles
    assert (pool.events.macs, pool.events.idle_lanes) == (0, 0)


def test_a_ratio_lets_the_clock_err_apart_from_the_logic():
    """Logic 1 (1 to 3) and clock 2 (1 to 4), against the same clock and logic 2 (2 to 6)."""

    def energy(logic: Band) -> Energy:
        clock = Band(low=1.0, expected=2.0, high=4.0)
        return Energy(parts=dict.fromkeys(PARTS, ZERO) | {"multiply": logic, "clock": clock})

    one = energy(Band(low=1.0, expected=1.0, high=3.0))
    two = energy(Band(low=2.0, expected=2.0, high=6.0))
    found = ratio(one, two, ("datapath",))
    assert (found.low, found.expected, found.high) == (4 / 7, 3 / 4, 5 / 6)
    assert ratio(one, two, ("memory",)) is None
