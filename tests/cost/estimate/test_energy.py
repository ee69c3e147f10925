"""Invariants of the cost model: conservation, linearity, order of corners, more lanes."""

from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net
from hypothesis import given
from hypothesis import strategies as st
from programs import Builder, random_images

from adqhw.cost.estimate.energy import Energy, area, ratio
from adqhw.cost.estimate.estimate import ASSUMED, estimate, measure, uniform_baseline
from adqhw.cost.events.events import PARTS, SPLITS
from adqhw.cost.events.flip_flops import flip_flops
from adqhw.cost.events.memories import memories
from adqhw.cost.events.traffic import Options
from adqhw.cost.technology.technology import BAND_KEYS, ZERO, Band, Technology, load
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.cycles import layer_cycles
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.spec import InputError, LayerKind

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


@pytest.mark.parametrize("micro", ["decode", "uniform"])
@pytest.mark.parametrize("technology", [LITERATURE, load("unit")], ids=lambda t: t.name)
def test_layers_sum_to_the_total_and_parts_to_the_whole(micro, technology):
    result = cost(micro=micro, technology=technology)
    for corner in BAND_KEYS:
        total = getattr(result.energy.total, corner)
        layers = [getattr(layer.energy.total, corner) for layer in result.layers]
        splits = [getattr(band, corner) for band in result.energy.split.values()]
        areas = [getattr(band, corner) for band in result.area.values()]
        assert sum(layers) == pytest.approx(total)
        assert sum(splits) == pytest.approx(total)
        assert sum(areas) == pytest.approx(getattr(result.total_area, corner))
    assert tuple(result.energy.split) == SPLITS
    assert result.cycles + result.input_cycles == sum(
        model.cycles for model in network_cycles(result.arch, NET)
    )


def test_the_json_total_is_the_sum_of_its_layers():
    record = cost().to_dict()
    for key in ("cycles", "macs"):
        assert record["total"][key] == sum(layer[key] for layer in record["layers"])
    for corner in BAND_KEYS:
        parts = [layer["energy_pj"][corner] for layer in record["layers"]]
        assert record["total"]["energy_pj"][corner] == pytest.approx(sum(parts))
    assert record["technology"] == "literature45"
    assert record["statistics"] == ASSUMED
    assert record["total"]["area_um2"] == pytest.approx(
        sum(band["expected"] for band in record["area_um2"].values())
    )


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
