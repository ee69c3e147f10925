"""A further micro-architecture is one file: `two_cycle` through every generator and model."""

import numpy as np
import pytest
from amaranth.hdl import Fragment, Signal, Value
from amaranth.hdl._ir import build_netlist
from amaranth.hdl._nir import FlipFlop
from cost_nets import small_net
from programs import every_kind, random_images
from simulators import quickest, usable
from two_cycle import MICRO

from adqhw.cosim.compare.cosimulate import cosimulate
from adqhw.cosim.compare.network_cosim import cosimulate_network
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.events.events import layer_events
from adqhw.cost.events.flip_flops import ARRAY, flip_flops
from adqhw.cost.technology.technology import load
from adqhw.rtl.arch import registry
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.lane_array import LaneArray
from adqhw.rtl.lanes.lookup_mac import LookupMac
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.rtl.timing.schedule import schedule_word
from adqhw.rtl.verilog import verilog_texts
from adqhw.spec import Codebook, InputError, IntFormat, MacLayer, Program, Threshold
from adqhw.verify.rtl_streams import simulate

LEVELS = (0, 1, 5, 31, 127, -1, -9, -128)


@pytest.fixture(autouse=True)
def registered():
    registry.register(MICRO)
    yield
    registry.unregister(MICRO.name)


def test_a_name_is_known_while_it_is_registered():
    assert registry.listed().endswith("shift_add or two_cycle.")
    with pytest.raises(InputError, match="Micro must have a name of its own, not 'two_cycle'"):
        registry.register(MICRO)
    registry.unregister(MICRO.name)
    with pytest.raises(InputError, match=r"Arch micro must be one of decode, .*, not 'two_cycle'"):
        Arch(rows=1, cols=1, micro=MICRO.name)
    registry.register(MICRO)


@pytest.mark.parametrize("act_width", [1, 4, 5])
def test_array_and_step_by_step_answer_equal_plain_sums(act_width):
    """Random sums of two beats, in Amaranth's simulator and by `compute`, of codes and levels."""
    rng = np.random.default_rng(act_width)
    for book in (LEVELS, None):
        arch = Arch(
            rows=3, cols=2, micro=MICRO.name, weight_width=3, act_width=act_width, acc_width=20
        )
        mac = LookupMac(arch=arch, act_width=act_width, codebook=book)
        acts = rng.integers(0, 1 << act_width, (6, 2, 3))
        levels = np.array(LEVELS)[codes := rng.integers(0, 8, (6, 2, 2, 3))]
        fields = codes if book else levels & 0xFF
        beats = [
            {"activations": acts[g, d].tolist(), "weights": fields[g, d].tolist(),
             "channel": 0, "first": int(d == 0), "last": int(d == 1)}
            for g in range(6) for d in range(2)
        ]  # fmt: skip
        trace = simulate(
            LaneArray(arch), {"beats": beats}, {"sums": 6},
            loads=[("codebook", {"code": c, "level": v}) for c, v in enumerate(LEVELS)],
            constants={"bypass": int(book is None), "work": schedule_word(arch, mac.schedule)},
        )  # fmt: skip
        want = np.einsum("gdr,gdcr->gc", acts, levels)
        assert [list(value.acc) for value in trace.values("sums")] == want.tolist()
        found = [[mac.compute(acts[g], fields[g][:, c]) for c in range(2)] for g in range(6)]
        assert found == want.tolist()
        last = trace.accepted["beats"][1::2]
        assert np.diff(last).tolist() == [2 * mac.schedule.beat_cycles] * 5


def test_closed_form_of_flip_flops_is_what_is_built():
    arch = Arch(rows=3, cols=2, micro=MICRO.name, act_width=5)
    unit = LaneArray(arch)
    ports = [Value.cast(value) for _, _, value in unit.signature.flatten(unit)]
    signals = [port for port in ports if isinstance(port, Signal)]
    cells = build_netlist(Fragment.get(unit, None), ports=signals).cells
    built = sum(len(cell.data) for cell in cells if isinstance(cell, FlipFlop))
    assert built == sum(flip_flops(arch)[part] for part in ARRAY)


def test_events_by_hand():
    """12 sums of one beat of two halves of 2 bits, 16 ungated MACs, levels of 3 bits, acc of 7."""
    conv = MacLayer(
        name="conv", input="input", weight_width=2,
        weights=np.array([[1, 0], [3, 1], [0, 3]], np.uint8).reshape(3, 2, 1, 1),
        codebook=Codebook(levels=(0, 3, 0, -3), width=2),
        output=Threshold(tau=[[1], [2], [3]], sign=[1, 1, 1]),
    )  # fmt: skip
    program = Program(input_shape=(2, 2, 2), input_format=IntFormat(width=4), layers=(conv,))
    arch = narrowest(program, rows=2, cols=2, micro=MICRO.name)
    timing = network_cycles(arch, program)[1]
    counts = layer_events(program, conv, arch, timing).counts
    wanted = {
        "multiply_bit2": 16 * 2 * 2 * 3,
        "lookup_mux_bit": 16 * 3 * 3,
        "shift_mux_bit": 12 * 2 * 7,
        "tree_add_bit": 12 * 2 * 6,  # an adder of 3 + 2 + 1 bits
        "accumulate_bit": 12 * 2 * 7,
        "accumulator_register_bit": 12 * 2 * 7,
    }
    assert {name: counts[name] for name in wanted} == wanted
    costs = estimate(program, arch, load("unit")).layers[0]
    assert costs.energy_pj.expected > sum(wanted.values())  # each event costs 1


def test_verilog_is_emitted_and_the_same_each_time():
    arch = Arch(rows=2, cols=2, micro=MICRO.name)
    texts = verilog_texts(arch)
    assert texts == verilog_texts(arch)
    assert "module adqhw_column" in texts["adqhw_column.v"]


@pytest.mark.simulator
def test_codes_of_every_layer_equal_golden_on_the_streaming_engine(tmp_path):
    program = small_net()
    images = random_images(program, 1)
    arch = narrowest(program, rows=2, cols=3, micro=MICRO.name)
    report = cosimulate(program, images, arch, quickest(), build_dir=tmp_path)
    assert report.passed
    assert all(layer.cycles_rtl == layer.cycles_model for layer in report.layers)


@pytest.mark.simulator
def test_codes_and_cycles_of_a_whole_network_equal_golden_and_model(tmp_path):
    program = every_kind()
    arch = narrowest(program, rows=2, cols=2, micro=MICRO.name)
    images, simulator = random_images(program, 2), usable("verilator").name
    report = cosimulate_network(program, images, arch, simulator, build_dir=tmp_path)
    assert report.passed
    for layer in report.layers:
        assert layer.compared == 2 * np.prod(program.tensor_shape(layer.name))
        assert layer.cycles_rtl == layer.cycles_model
