"""Event counts of layers small enough to count by hand; the derivations are the comments."""

from collections import Counter

import numpy as np
import pytest
from programs import Builder

from adqhw.cost.estimate.energy import event_prices, price
from adqhw.cost.events.events import EVENTS, layer_events
from adqhw.cost.events.memories import memories, peak_live_bits, weight_words
from adqhw.cost.events.traffic import Options
from adqhw.cost.events.weight_facts import requant_widths
from adqhw.cost.technology.technology import load
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.program.passes import plan
from adqhw.rtl.timing.elementwise import tree_add_bits
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.rtl.timing.tables import stored_width
from adqhw.rtl.timing.tiling import layer_tiles, tile_fields, used_lanes
from adqhw.spec import (
    Codebook,
    InputError,
    IntFormat,
    LayerKind,
    MacLayer,
    PoolLayer,
    Program,
    Requant,
    Skip,
    Threshold,
    ThresholdLayer,
)

U4 = IntFormat(width=4)


def conv_program() -> Program:
    """2 -> 3 channels, 1x1, 2x2 map, u4 input, 2-bit codes of 3-bit levels, 1-bit output."""
    conv = MacLayer(
        name="conv",
        input="input",
        weights=np.array([[1, 0], [3, 1], [0, 3]], np.uint8).reshape(3, 2, 1, 1),
        weight_width=2,
        codebook=Codebook(levels=(0, 3, 0, -3), width=2),
        output=Threshold(tau=[[1], [2], [3]], sign=[1, 1, 1]),
    )
    return Program(input_shape=(2, 2, 2), input_format=U4, layers=(conv,))


def chain_program() -> Program:
    """2x2 average pool of 2 channels, 1-bit read activation, 2 -> 1 linear with 2-bit levels."""
    pool = PoolLayer(
        name="pool", input="input", kind=LayerKind.AVG_POOL, kernel=2, stride=2,
        output=Requant(multiplier=[64], bias=[0], shift=8, out=U4),
    )  # fmt: skip
    act = ThresholdLayer(name="act", input="pool", output=Threshold(tau=[[8]], sign=[1]))
    fc = MacLayer(
        name="fc", kind=LayerKind.LINEAR, input="act",
        weights=np.array([1, -1], np.int8).reshape(1, 2, 1, 1), weight_width=2,
        output=Requant(multiplier=[1], bias=[0], shift=0, out=IntFormat.parse("s8")),
    )  # fmt: skip
    return Program(input_shape=(2, 2, 2), input_format=U4, layers=(pool, act, fc))


def counted(program: Program, name: str, micro: str = "decode", **options):
    """Non-zero events of one layer on a 2 x 2 array."""
    arch = narrowest(program, rows=2, cols=2, micro=micro)
    timing = next(model for model in network_cycles(arch, program) if model.name == name)
    events = layer_events(program, program.layer(name), arch, timing, **options)
    assert set(events.counts) == set(EVENTS)
    return events, {k: v for k, v in events.counts.items() if v}


# 3 outputs x 2 inputs x 4 pixels = 24 MACs, 8 behind code 0. Sums reach -45..45: 7 bits.
# Column blocks ceil(3/2) = 2, so 8 groups of 1 beat. A lane product has 4 + 3 = 7 bits.
# Cycles: 5 of the pass, 4 levels, 2 to the first beat, 1 beat, 7 groups 2 columns apart, 4 + 1 + 3
# through array, drain and threshold unit, 1 for the second column: 35.
# Flip-flops: 4 lanes of a level (3), operand (4), flag and product (7): 60; 2 columns of tree sum
# and accumulator: 28; 3 levels that are not 0: 9; control: 3 of the operand stage, 2 valid, 2
# first, 2 last, 1 done, 4 channels of 2 bits: 18; drain: 2 sums, channel, 2 bits of a count: 18;
# threshold unit: held channel 3, sum 7, 1 reached, code 1, valid 3: 15; requant unit: held channel
# 3, sum 7, residual 2, products 9 and 4, bias 2, total and shifted 11 each, code 2, valid 5: 56.
FLIP_FLOPS = 60 + 28 + 9 + 18 + 18 + 15 + 56
CONV = {
    "multiply_bit2": 16 * 4 * 3,
    "lookup_mux_bit": 16 * 3 * 3,  # 4-entry table: 3 two-way muxes of 3 bits
    "tree_add_bit": 12 * 7,  # one adder per sum, cut to the accumulator's 7 bits
    "accumulate_bit": 12 * 7,
    "accumulator_register_bit": 12 * 7,
    "drain_register_bit": 8 * 2 * 2 * 7,
    "compare_bit": 12 * 1 * 7,
    "clock_bit": 35 * FLIP_FLOPS,
    "weight_read_bit": 8 * (2 * 2) * 2,
    "weight_load_bit": 2 * (2 * 2) * 2 + 12,  # 2 words of 4 lanes, and the codebook
    "activation_read_bit": 8 * 2 * 4,
    "activation_write_bit": 8 * 4,  # the image; the outputs leave: it is the last layer
    "table_read_bit": 12,  # 4 levels x 3 bits
    "codebook_register_bit": 12,
    "parameter_write_bit": 3 * 9,  # a row: one tau of 7 + 1 bits and the sign
    "parameter_read_bit": 8 * 2 * 9,
    "dram_weight_bit": 36,  # 6 weights x 2 bits, codebook 12, 3 x (tau in 3 bits + sign)
    "dram_map_bit": 8 * 4 + 12,  # image in, and the result out: it is the last layer too
}


def test_convolution_on_decode():
    events, counts = counted(conv_program(), "conv")
    assert counts == CONV
    assert (events.macs, events.gated_macs, events.active_macs) == (24, 8, 16)
    assert events.idle_lanes == 8 * 4 - 24


def test_convolution_on_uniform_stores_levels_and_looks_nothing_up():
    expected = CONV | {
        "weight_read_bit": 8 * 4 * 3,
        "weight_load_bit": 2 * 4 * 3,
        "dram_weight_bit": 12 + 6 * 3,
        "clock_bit": 31 * FLIP_FLOPS,  # no cycles for 4 levels; the registers stand there
    }
    for name in ("lookup_mux_bit", "codebook_register_bit", "table_read_bit"):
        del expected[name]
    assert counted(conv_program(), "conv", "uniform")[1] == expected


SUMS = ("tree_add_bit", "accumulate_bit", "accumulator_register_bit")
# 12 sums of one beat, 16 ungated MACs, levels of 3 bits, 4 codes, u4 activations; acc of 7 bits.
FAMILY = {
    "bit_serial": {
        "and_bit": 16 * 4 * 3,  # in each of 4 cycles
        "lookup_mux_bit": 16 * 3 * 3,
        "shift_mux_bit": 12 * 4 * 2 * 7,  # 2 stages for shifts 0..3
        "tree_add_bit": 12 * 4 * 4,  # an adder of 3 + 1 bits
        "accumulate_bit": 12 * 4 * 7,
        "accumulator_register_bit": 12 * 4 * 7,
    },
    # 15 words of 4 products of 3 + 4 bits; 8 beats on 2 rows; one activation digit
    "product_table": {
        "word_mux_bit": 8 * 2 * 15 * 28,
        "product_mux_bit": 16 * 3 * 7,
        "table_build_add_bit": 15 * 28,
        "table_build_register_bit": 2 * 15 * 28,
        "tree_add_bit": 12 * 7,
        "accumulate_bit": 12 * 7,
        "accumulator_register_bit": 12 * 7,
    },
    # a beat of u4 needs bins of 4 bits; 3 bins; they leave 2 lanes of each sum in 3 cycles
    "binned": {
        "bin_add_bit": 16 * 4,
        "bin_register_bit": (16 + 12 * 3 * 2) * 4,
        "bin_mux_bit": (16 + 12 * 3 * 2) * 2 * 4,
        "multiply_bit2": 12 * 3 * 5 * 3,  # the sum of two bins and a level
        "tree_add_bit": 12 * 3 * 5,
        "accumulate_bit": 12 * 3 * 7,
        "accumulator_register_bit": 12 * 3 * 7,
    },
    # levels 3 and -3: factor 3 (2 bits), both trees; entries of 3 flags and a shift of 2 bits
    "shift_add": {
        "lookup_mux_bit": 16 * 3 * 5,
        "shift_mux_bit": 16 * (2 + 1) * 7,  # 2 stages and the sign, of a term of 4 + 3 bits
        "multiply_bit2": 12 * 2 * 7,
        "combine_add_bit": 12 * 7,
        "combine_register_bit": 12 * 7,
        "tree_add_bit": 2 * 12 * 7,
        "accumulate_bit": 2 * 12 * 7,
        "accumulator_register_bit": 2 * 12 * 7,
    },
}


@pytest.mark.parametrize("micro", FAMILY)
def test_convolution_on_the_family(micro):
    """The events in place of decode's multiplication; all others are the same."""
    own = (*SUMS, "multiply_bit2", "lookup_mux_bit", "clock_bit")
    around = {k: v for k, v in CONV.items() if k not in own}
    counts = counted(conv_program(), "conv", micro)[1]
    assert counts.pop("clock_bit") > 35 * 60  # `test_flip_flops` counts them
    assert counts == around | FAMILY[micro]


@pytest.mark.parametrize("micro", ["binned", "shift_add"])
def test_stored_levels_are_added_bit_by_bit(micro):
    """Levels 1 and -1 of 2 bits: three bits are 1; the one sum has 2 terms of 1 bit on 2 lanes."""
    counts = counted(chain_program(), "fc", micro)[1]
    if micro == "binned":
        # 3 additions; 2 bins of 2 lanes leave; 3 bins in all (2-bit codes) of 6 bits (the pool's)
        assert counts["bin_add_bit"] == 3 * 6
        assert counts["bin_register_bit"] == (3 + 2 * 2) * 6
        assert counts["bin_mux_bit"] == (3 + 2 * 2) * 2 * 6
    else:
        assert counts["shift_mux_bit"] == 2 * 2 * (1 + 1) * 3  # 2 MACs, 2 cycles, a term of 3 bits


def test_measured_activity_moves_products_to_the_cheaper_event():
    _, counts = counted(conv_program(), "conv", active_macs=10.0)
    expected = CONV | {"multiply_bit2": 10 * 12, "multiply_zero_act_bit2": 6 * 12}
    assert counts == expected


def test_unit_technology_prices_the_sum_of_the_counts():
    """192+144+84+(84+84+224)+84+7140 = 8036; 64+28+64+32+12+12+27+144 = 383; 36+44 = 80."""
    program = conv_program()
    arch = narrowest(program, rows=2, cols=2)
    energy = price(counted(program, "conv")[0], event_prices(load("unit"), memories(program, arch)))
    split = {name: band.expected for name, band in energy.split.items()}
    assert split == {"datapath": 8036, "memory": 383, "dram": 80}
    assert energy.parts["clock"].expected == 7140
    assert energy.total.low == energy.total.high == 8499


def test_batch_and_residence_share_the_load_of_the_network():
    for options, share in (
        (Options(batch=4), 1 / 4),
        (Options(weights_from_dram=False), 0),
        (Options(), 1),
    ):
        events, _ = counted(conv_program(), "conv", options=options)
        names = "dram_weight_bit", "weight_load_bit", "parameter_write_bit"
        assert [events.counts[name] for name in names] == [36 * share, 28 * share, 27 * share]


@pytest.mark.parametrize("batch", [0, -1, 1.5, True])
def test_batch_must_be_a_count(batch):
    with pytest.raises(InputError, match="Batch must be a positive number"):
        Options(batch=batch)


def test_average_pool():
    """2 channels in the 2 columns of one tile, 4 positions: 4 beats of one group, one lane of each
    column with a weight. Sums reach 60: 7 bits. Multiplier 64: s8."""
    counts = counted(chain_program(), "pool")[1]
    assert counts.pop("clock_bit") > 0
    assert counts == {
        "multiply_bit2": 8 * 4,  # times level 1
        "accumulate_bit": 8 * 7,
        "accumulator_register_bit": 8 * 7,
        "drain_register_bit": 1 * 2 * 2 * 7,
        "requant_multiply_bit2": 2 * 8 * 7,
        "requant_add_bit": 2 * 2 * (8 + 7),
        "weight_read_bit": 4 * 4 * 2,
        "weight_load_bit": 4 * 2,  # one word for all positions
        "activation_read_bit": 4 * 2 * 4,
        "activation_write_bit": 2 * 4 + 32,
        "parameter_write_bit": 10,  # one row for all: the Arch's multiplier 8, bias at least 2 bits
        "parameter_read_bit": 10,  # it is held
        "dram_weight_bit": 8 + 1,
        "dram_map_bit": 32,
    }


def test_read_activation():
    """2 codes of 4 bits against one shared threshold; 0..15 takes a signed accumulator of 5."""
    counts = counted(chain_program(), "act")[1]
    assert counts.pop("clock_bit") > 0
    assert counts == {
        "compare_bit": 2 * 1 * 5,
        "activation_read_bit": 2 * 2 * 4,  # a word of 2 rows for each code
        "activation_write_bit": 2 * 1,
        "parameter_write_bit": 1 * 9,
        "parameter_read_bit": 1 * 9,  # the shared row is held
        "dram_weight_bit": 5 + 1,  # tau 8 is s5, and the sign
    }


def test_linear():
    """2 MACs of 1 x 2 bits in one beat; sums -1..1 take 2 bits, the array has the pool's 7;
    multiplier 1 is s2, bias 0 s1."""
    events, counts = counted(chain_program(), "fc")
    assert counts.pop("clock_bit") > 0
    assert counts == {
        "multiply_bit2": 2 * 1 * 2,
        "tree_add_bit": 1 + 2 + 1,
        "accumulate_bit": 7,
        "accumulator_register_bit": 7,
        "drain_register_bit": 1 * 2 * 2 * 7,
        "requant_multiply_bit2": 2 * 2,
        "requant_add_bit": 2 * (2 + 2),
        "weight_read_bit": 1 * 4 * 2,
        "weight_load_bit": 1 * 4 * 2,
        "activation_read_bit": 1 * 2 * 1,
        "parameter_write_bit": 10,
        "parameter_read_bit": 10,
        "dram_weight_bit": 2 * 2 + 2 + 1,
        "dram_map_bit": 8,
    }
    assert events.idle_lanes == 2  # the second column


def depthwise(channels: int, size: int) -> Program:
    b = Builder(np.random.default_rng(0), (channels, size, size))
    b.mac(channels, 3, weight_width=4, uniform=True, padding=1, groups=channels, stage="requant")
    return b.build()


def test_a_depthwise_layer_reads_the_words_of_its_tiles():
    """64 channels on 16 x 16: 4 tiles of one block, 9 positions each, 144 pixels: 36 words, 5,184
    beats; a group of 9 beats waits for 16 columns: 4 x (7 + 9 + 143 x 16 + 10 + 15) + 16 levels."""
    program = depthwise(64, 12)
    arch = narrowest(program, rows=16, cols=16)
    model, layer = network_cycles(arch, program)[1], program.layers[0]
    levels = len(layer.codebook.levels) if layer.codebook else 0
    assert (model.beats, model.passes, model.groups) == (5184, 4, 4 * 144)
    assert model.cycles == 4 * (7 + 9 + 143 * 16 + 10 + 15) + levels
    assert weight_words(program, layer, arch) == 36
    counts = layer_events(program, layer, arch, model).counts
    assert counts["weight_read_bit"] == 5184 * 256 * stored_width(arch, layer)
    assert counts["activation_read_bit"] == 5184 * 16 * 8
    assert counts["tree_add_bit"] == 0  # one lane of a column
    assert counts["accumulate_bit"] == 64 * 144 * 9 * program.acc_width(layer.name)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_the_model_stores_the_words_of_the_plan(groups):
    b = Builder(np.random.default_rng(1), (6, 3, 3))
    b.mac(12, 2, groups=groups, padding=1)
    b.pool(LayerKind.AVG_POOL, 2, 1)
    program = b.build()
    for rows, cols in ((1, 1), (4, 3), (5, 7), (16, 16)):
        arch = narrowest(program, rows=rows, cols=cols)
        planes = Counter()
        for entry in plan(arch, program).passes:
            planes[entry.layer] += entry.planes
        for layer in program.layers:
            words = weight_words(program, layer, arch)
            assert words * stored_width(arch, layer) == planes[layer.name]


@pytest.mark.parametrize(("outputs", "inputs", "groups"), [(4, 16, 1), (6, 9, 3), (8, 12, 4)])
def test_used_lanes_are_those_of_the_weights(outputs, inputs, groups):
    """Against the fields that the passes store: lanes that are not 0, all weights being 1."""
    b = Builder(np.random.default_rng(2), (inputs, 2, 2))
    b.mac(outputs, 1, groups=groups)
    layer = b.build().layers[0]
    ones = np.ones((outputs, inputs // groups, 1, 1), np.int64)
    for rows, cols in ((2, 3), (4, 4), (5, 2), (16, 16)):
        found = Counter()
        for tile in layer_tiles(layer, inputs, rows=rows, cols=cols):
            lanes = tile_fields(tile, ones, groups, rows=rows, cols=cols).sum(axis=-1)
            found.update(lanes.ravel().tolist())
        del found[0]  # columns beside the outputs, and blocks that hold none of a group's channels
        assert used_lanes(layer, inputs, rows=rows) == found


def test_a_skip_is_read_and_multiplied():
    b = Builder(np.random.default_rng(3), (2, 3, 3))
    first = b.mac(2, kernel=1, stage="requant")
    b.mac(2, kernel=1, stage="requant", skip=Skip(tensor=first))
    program = b.build()
    layer = program.layers[1]
    _, counts = counted(program, layer.name)
    # 2 channels x 9 pixels; u8 residual codes; 9 groups of one beat on 2 rows of u8 codes
    product = requant_widths(layer.output)[0] * program.acc_width(layer.name)
    residual = (abs(layer.output.skip_multiplier).bit_length() + 1) * 8
    assert counts["requant_multiply_bit2"] == 18 * (product + residual)
    assert counts["activation_read_bit"] == 9 * 2 * 8 + 18 * 2 * 8  # a word for each residual


@pytest.mark.parametrize(
    ("lanes", "bits"), [(0, 0), (1, 0), (2, 13), (3, 13 + 14), (4, 26 + 14), (5, 26 + 14 + 15)]
)
def test_adder_tree_grows_a_bit_a_stage(lanes, bits):
    assert tree_add_bits(lanes, 12, 32) == bits


def test_memories_hold_what_is_alive():
    """Conv: 32 bits in and 12 out; weights 2 words of 4 lanes x 2 bits, and 12 of the codebook."""
    program = conv_program()
    capacity = memories(program, narrowest(program, rows=2, cols=2))
    assert capacity.activation_bits == peak_live_bits(program) == 32 + 12
    assert capacity.weight_bits == 2 * 4 * 2 + 12
    assert capacity.parameter_bits == 3 * 9  # 3 channels


def test_a_residual_stays_alive_until_it_is_added():
    """While the second conv runs: its input, the residual and its output, 18 bytes each."""
    b = Builder(np.random.default_rng(3), (2, 3, 3))
    first = b.mac(2, kernel=1, stage="requant")
    b.mac(2, kernel=1, stage="requant")
    b.mac(2, kernel=1, stage="requant", skip=Skip(tensor=first))
    assert peak_live_bits(b.build()) == 3 * 18 * 8
