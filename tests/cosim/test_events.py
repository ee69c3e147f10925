"""Event counts of layers small enough to count by hand; the derivations are the comments."""

import numpy as np
import pytest
from programs import Builder

from adqhw.cosim.cycles import layer_cycles
from adqhw.cosim.energy import price
from adqhw.cosim.events import EVENTS, layer_events
from adqhw.cosim.lane_events import tree_add_bits
from adqhw.cosim.memories import memories, multiplier_width, peak_live_bits
from adqhw.cosim.technology import load
from adqhw.cosim.traffic import Options
from adqhw.rtl.arch import Arch
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
    arch = Arch.for_program(program, rows=2, cols=2, micro=micro)
    layer, timing = program.layer(name), layer_cycles(arch, program, name)
    events = layer_events(program, layer, arch, timing, **options)
    assert set(events.counts) == set(EVENTS)
    return events, {k: v for k, v in events.counts.items() if v}


# 3 outputs x 2 inputs x 4 pixels = 24 MACs, 8 behind code 0. Sums reach -45..45: 7 bits.
# Column blocks ceil(3/2) = 2, so 8 groups of 1 beat. A lane product has 4 + 3 = 7 bits.
CONV = {
    "multiply_bit2": 16 * 4 * 3,
    "lookup_mux_bit": 16 * 3 * 3,  # 4-entry table: 3 two-way muxes of 3 bits
    "tree_add_bit": 12 * 7,  # one adder per sum, cut to the accumulator's 7 bits
    "accumulate_bit": 12 * 7,
    "accumulator_register_bit": 12 * 7,
    "drain_register_bit": 8 * 2 * 2 * 7,
    "compare_bit": 12 * 1 * 7,
    "weight_read_bit": 8 * (2 * 2) * 2,
    "weight_load_bit": 36,  # 6 weights x 2 bits + tables 24
    "activation_read_bit": 8 * 2 * 4,
    "activation_write_bit": 12 * 1 + 8 * 4,  # outputs, and the image: this is the first layer
    "table_read_bit": 12 + 3 * (3 + 1),  # 4 levels x 3 bits; 3 x (tau in 3 bits + sign)
    "codebook_register_bit": 12,
    "parameter_write_bit": 3 * 9,  # a row: one tau of 7 + 1 bits and the sign
    "parameter_read_bit": 8 * 2 * 9,
    "dram_weight_bit": 36,
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
        "weight_load_bit": 12 + 6 * 3,
        "dram_weight_bit": 12 + 6 * 3,
        "table_read_bit": 12,
    }
    del expected["lookup_mux_bit"], expected["codebook_register_bit"]
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
        "product_mux_bit": 8 * 2 * 15 * 28 + 16 * 3 * 7,
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
    """What stands where decode multiplies; everything around the lanes is the same."""
    around = {k: v for k, v in CONV.items() if k not in (*SUMS, "multiply_bit2", "lookup_mux_bit")}
    assert counted(conv_program(), "conv", micro)[1] == around | FAMILY[micro]


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
    """192+144+84+(84+84+224)+84 = 896; 64+36+64+44+24+12+27+144 = 415; 36+44 = 80."""
    program = conv_program()
    arch = Arch.for_program(program, rows=2, cols=2)
    energy = price(counted(program, "conv")[0], load("unit"), memories(program, arch))
    split = {name: band.expected for name, band in energy.split.items()}
    assert split == {"datapath": 896, "memory": 415, "dram": 80}
    assert energy.total.low == energy.total.high == 1391


def test_batch_and_residence_share_the_load_of_the_network():
    for options, load_bits in (
        (Options(batch=4), 9),
        (Options(weights_from_dram=False), 0),
        (Options(), 36),
    ):
        events, _ = counted(conv_program(), "conv", options=options)
        assert events.counts["dram_weight_bit"] == events.counts["weight_load_bit"] == load_bits


@pytest.mark.parametrize("batch", [0, -1, 1.5, True])
def test_batch_must_be_a_count(batch):
    with pytest.raises(InputError, match="Batch must be a positive number"):
        Options(batch=batch)


def test_average_pool():
    """4 terms on 2 rows: 2 beats for each of 2 sums. Sums reach 60: 7 bits. Multiplier 64: s8."""
    assert counted(chain_program(), "pool")[1] == {
        "multiply_bit2": 8 * 4,  # times level 1
        "tree_add_bit": 4 * 5,  # one 4 + 1 bit adder per beat
        "accumulate_bit": 4 * 7,
        "accumulator_register_bit": 4 * 7,
        "drain_register_bit": 2 * 2 * 2 * 7,
        "requant_multiply_bit2": 2 * 8 * 7,
        "requant_add_bit": 2 * 2 * (8 + 7),
        "weight_load_bit": 8 + 1,
        "activation_read_bit": 4 * 2 * 4,
        "activation_write_bit": 2 * 4 + 32,
        "table_read_bit": 8 + 1,
        "parameter_write_bit": 2 * 10,  # a row: the Arch's multiplier 8, bias at least 2 bits
        "parameter_read_bit": 2 * 2 * 10,
        "dram_weight_bit": 8 + 1,
        "dram_map_bit": 32,
    }


def test_read_activation():
    """2 codes of 4 bits against one shared threshold; 0..15 takes a signed accumulator of 5."""
    assert counted(chain_program(), "act")[1] == {
        "compare_bit": 2 * 1 * 5,
        "weight_load_bit": 5 + 1,  # tau 8 is s5, and the sign
        "activation_read_bit": 2 * 4,
        "activation_write_bit": 2 * 1,
        "table_read_bit": 5 + 1,
        "parameter_write_bit": 1 * 9,
        "parameter_read_bit": 1 * 9,  # the shared row is held
        "dram_weight_bit": 5 + 1,
    }


def test_linear():
    """2 MACs of 1 x 2 bits in one beat; sums -1..1 take 2 bits; multiplier 1 is s2, bias 0 s1."""
    events, counts = counted(chain_program(), "fc")
    assert counts == {
        "multiply_bit2": 2 * 1 * 2,
        "tree_add_bit": 2,
        "accumulate_bit": 2,
        "accumulator_register_bit": 2,
        "drain_register_bit": 1 * 2 * 2 * 2,
        "requant_multiply_bit2": 2 * 2,
        "requant_add_bit": 2 * (2 + 2),
        "weight_read_bit": 1 * 4 * 2,
        "weight_load_bit": 2 * 2 + 2 + 1,
        "activation_read_bit": 1 * 2 * 1,
        "activation_write_bit": 8,
        "table_read_bit": 2 + 1,
        "parameter_write_bit": 1 * 10,
        "parameter_read_bit": 2 * 10,
        "dram_weight_bit": 2 * 2 + 2 + 1,
        "dram_map_bit": 8,
    }
    assert events.idle_lanes == 2  # the second column


def test_a_skip_is_read_and_multiplied():
    b = Builder(np.random.default_rng(3), (2, 3, 3))
    first = b.mac(2, kernel=1, stage="requant")
    b.mac(2, kernel=1, stage="requant", skip=Skip(tensor=first))
    program = b.build()
    layer = program.layers[1]
    _, counts = counted(program, layer.name)
    # 2 channels x 9 pixels; u8 residual codes; 9 groups of one beat on 2 rows of u8 codes
    product = multiplier_width(layer.output) * program.acc_width(layer.name)
    residual = (abs(layer.output.skip_multiplier).bit_length() + 1) * 8
    assert counts["requant_multiply_bit2"] == 18 * (product + residual)
    assert counts["activation_read_bit"] == 9 * 2 * 8 + 18 * 8


@pytest.mark.parametrize(
    ("lanes", "bits"), [(0, 0), (1, 0), (2, 13), (3, 13 + 14), (4, 26 + 14), (5, 26 + 14 + 15)]
)
def test_adder_tree_grows_a_bit_a_stage(lanes, bits):
    assert tree_add_bits(lanes, 12, 32) == bits


def test_memories_hold_what_is_alive():
    """Conv: 32 bits in and 12 out; weights 2 words of 4 lanes x 2 bits, and 24 of tables."""
    program = conv_program()
    capacity = memories(program, Arch.for_program(program, rows=2, cols=2))
    assert capacity.activation_bits == peak_live_bits(program) == 32 + 12
    assert capacity.weight_bits == 2 * 4 * 2 + 24
    assert capacity.parameter_bits == 4 * (9 + 4)  # 4 channels (2 blocks of 2); requant row 2 + 2


def test_a_residual_stays_alive_until_it_is_added():
    """While the second conv runs: its input, the residual and its output, 18 bytes each."""
    b = Builder(np.random.default_rng(3), (2, 3, 3))
    first = b.mac(2, kernel=1, stage="requant")
    b.mac(2, kernel=1, stage="requant")
    b.mac(2, kernel=1, stage="requant", skip=Skip(tensor=first))
    assert peak_live_bits(b.build()) == 3 * 18 * 8
