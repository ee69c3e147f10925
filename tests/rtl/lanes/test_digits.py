"""`uniform` lanes with narrow multipliers: plain sums, cycles, registers and costs."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Fragment, Signal, Value
from amaranth.hdl._ir import build_netlist
from amaranth.hdl._nir import FlipFlop
from cost_nets import small_net
from programs import every_kind, random_images
from simulators import usable

from adqhw.cosim.compare.network_cosim import cosimulate_network
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.events.events import layer_events
from adqhw.cost.events.flip_flops import ARRAY, flip_flops
from adqhw.cost.technology.technology import load
from adqhw.gates.array.streams import OperandStream
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.digits import DigitColumn
from adqhw.rtl.lanes.lane_array import LaneArray
from adqhw.rtl.lanes.lookup_mac import LookupMac
from adqhw.rtl.lanes.multiplying import Multiplying
from adqhw.rtl.lanes.toggles import TOGGLES
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.rtl.timing.schedule import schedule_word
from adqhw.rtl.timing.timing import column_latency
from adqhw.spec import InputError, IntFormat, MacLayer, Program, Threshold
from adqhw.verify.rtl_streams import simulate


def arch(rows: int = 3, cols: int = 2, **widths: int) -> Arch:
    options = {"act_width": 4, "level_width": 8, "acc_width": 20, "multiply_width": 4} | widths
    return Arch(rows=rows, cols=cols, micro="uniform", **options)


def beats(acts: np.ndarray, fields: np.ndarray) -> list[dict]:
    """Payloads of (G, depth, rows) activations and (G, depth, cols, rows) fields."""
    depth = acts.shape[1]
    return [
        {
            "activations": acts[g, d].tolist(),
            "weights": fields[g, d].tolist(),
            "channel": 0,
            "first": int(d == 0),
            "last": int(d == depth - 1),
        }
        for g in range(len(acts))
        for d in range(depth)
    ]


def run(a: Arch, acts: np.ndarray, levels: np.ndarray, level_width: int, **pressure):
    mac = LookupMac(arch=a, act_width=a.act_width, level_width=level_width)
    fields = levels & ((1 << a.field_width) - 1)
    constants = {"work": schedule_word(a, mac.schedule), "bypass": 1}
    trace = simulate(
        LaneArray(a), {"beats": beats(acts, fields)}, {"sums": len(acts)},
        constants=constants, **pressure,
    )  # fmt: skip
    return mac, trace


@pytest.mark.parametrize("multiply_width", [2, 3, 5])
def test_every_product_is_exact(multiply_width: int):
    """Every level of 8 bits times every activation, a column per level of a beat of one row; and
    every narrower level in as many digits as it has."""
    a = arch(1, 16, act_width=2, multiply_width=multiply_width)
    for width in (8, 5):
        half = 1 << (width - 1)
        levels = np.repeat(np.arange(-half, half).reshape(-1, 16), 4, axis=0)
        acts = np.tile(np.arange(4), len(levels) // 4)
        mac, trace = run(a, acts.reshape(-1, 1, 1), levels[:, None, :, None], width)
        assert mac.schedule.beat_cycles == -(-width // multiply_width)
        want = (levels * acts[:, None]).tolist()
        assert [list(value.acc) for value in trace.values("sums")] == want
        computed = [
            [mac.compute(np.array([[act]]), np.array([[level & 0xFF]])) for level in row]
            for act, row in zip(acts, levels.tolist(), strict=True)
        ]
        assert computed == want


@pytest.mark.parametrize(("idle", "pause"), [(0, 0), (0.5, 0), (0.3, 0.7)])
def test_sums_do_not_depend_on_idles_or_back_pressure(idle, pause):
    a, rng = arch(5, 3, multiply_width=3), np.random.default_rng(5)
    acts = rng.integers(0, 16, (6, 4, 5))
    levels = rng.integers(-128, 128, (6, 4, 3, 5)) * rng.integers(0, 2, (6, 4, 3, 5))
    _, trace = run(a, acts, levels, 8, idle=idle, pause=pause)
    want = np.einsum("gdr,gdcr->gc", acts, levels)
    assert [list(value.acc) for value in trace.values("sums")] == want.tolist()


def test_latency_and_throughput_are_as_stated():
    a, rng = arch(), np.random.default_rng(1)
    acts, levels = rng.integers(0, 16, (5, 3, 3)), rng.integers(-8, 8, (5, 3, 2, 3))
    for width in (8, 4):
        mac, trace = run(a, acts, levels, width)
        cycles = mac.schedule.beat_cycles
        assert cycles == width // 4
        assert set(np.diff(trace.accepted["beats"])) == {cycles}
        latency = np.array(trace.cycles("sums")) - trace.accepted["beats"][2::3]
        assert set(latency) == {column_latency(a, mac.schedule)}


def test_levels_as_wide_as_the_multiplier_are_the_plain_array():
    """Same object of the registry, same digest, no schedule."""
    plain = Arch(rows=3, cols=2, micro="uniform")
    same = Arch(rows=3, cols=2, micro="uniform", multiply_width=8)
    assert same.lanes is plain.lanes
    assert isinstance(plain.lanes, Multiplying)
    assert same.digest == plain.digest
    assert "multiply_width" not in same.to_dict()
    narrow = replace(plain, multiply_width=4)
    assert narrow.lanes.column is DigitColumn
    assert Arch.from_dict(narrow.to_dict()) == narrow
    assert narrow.digest != plain.digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multiply_width": 9}, "multiply_width must be at most level_width 8, not 9"),
        ({"multiply_width": 1}, r"multiply_width must be in 2\.\.16, not 1"),
        ({"multiply_width": "4"}, r"multiply_width must be in 2\.\.16, not '4'"),
        (
            {"multiply_width": 4, "micro": "decode"},
            "micro must be uniform where multiply_width is below level_width, not decode",
        ),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=f"^Arch {message}$"):
        Arch(**({"rows": 2, "cols": 2, "micro": "uniform"} | options))


@pytest.mark.parametrize(
    ("rows", "cols", "widths"),
    [(4, 2, {}), (1, 1, {"multiply_width": 2}), (5, 3, {"level_width": 9, "channels": 9})],
)
def test_closed_form_of_flip_flops_is_what_is_built(rows, cols, widths):
    a = arch(rows, cols, **widths)
    unit = LaneArray(a)
    ports = [Value.cast(value) for _, _, value in unit.signature.flatten(unit)]
    signals = [port for port in ports if isinstance(port, Signal)]
    cells = build_netlist(Fragment.get(unit, None), ports=signals).cells
    built = sum(len(cell.data) for cell in cells if isinstance(cell, FlipFlop))
    assert built == sum(flip_flops(a)[part] for part in ARRAY)


def test_the_narrowest_array_has_multipliers_no_wider_than_levels():
    program = every_kind()
    for width, expected in ((4, 4), (12, None)):
        a = narrowest(program, rows=2, cols=3, micro="uniform", multiply_width=width)
        plain = narrowest(program, rows=2, cols=3, micro="uniform")
        assert a.multiply_width == (expected or plain.level_width)
        assert replace(a, multiply_width=None, storage=plain.storage) == plain


def test_events_by_hand():
    """12 sums of one beat of 2 lanes, 16 MACs that are not gated; levels of 5 bits in two digits of
    3 bits, activations of 2 bits, sums of 8."""
    conv = MacLayer(
        name="conv", input="input", weight_width=5, codebook=None,
        weights=np.array([[9, 0], [-3, 1], [0, -16]], np.int8).reshape(3, 2, 1, 1),
        output=Threshold(tau=[[1], [2], [3]], sign=[1, 1, 1]),
    )  # fmt: skip
    program = Program(input_shape=(2, 2, 2), input_format=IntFormat(width=2), layers=(conv,))
    a = narrowest(program, rows=2, cols=2, micro="uniform", multiply_width=3)
    counts = layer_events(program, conv, a, network_cycles(a, program)[1]).counts
    wanted = {
        "multiply_bit2": 16 * 2 * 2 * 3,
        "shift_mux_bit": 16 * 2 * (3 + 2) + 12 * 2 * 1 * a.acc_width,
        "tree_add_bit": 12 * 2 * min(a.acc_width, 2 + 3 + 1 + 1),
        "accumulate_bit": 12 * 2 * a.acc_width,
    }
    assert {name: counts[name] for name in wanted} == wanted


def test_area_is_that_of_the_narrow_multiplier():
    program = small_net()
    plain = narrowest(program, rows=4, cols=4, micro="uniform")
    narrow = replace(plain, multiply_width=plain.level_width // 2)
    multipliers = [a.lanes.area(a)["multipliers"]["multiply_area"] for a in (plain, narrow)]
    assert multipliers[0] == 2 * multipliers[1]
    assert narrow.lanes.lane_bits(narrow) < plain.lanes.lane_bits(plain)
    estimates = [estimate(program, a, load("unit")) for a in (plain, narrow)]
    assert estimates[1].cycles > estimates[0].cycles  # layers of 8 bits: two digits


def test_toggles_are_those_of_the_registers():
    """Bits that change in the columns of the array, cycle by cycle, while beats come."""
    a, rng = arch(3, 2, multiply_width=3), np.random.default_rng(9)
    acts = rng.integers(0, 16, (4, 3, 3))
    levels = rng.integers(-128, 128, (4, 3, 2, 3)) * rng.integers(0, 2, (4, 3, 2, 3))
    mac = LookupMac(arch=a, act_width=4, level_width=8)
    dut = LaneArray(a)
    seen: list[dict[str, list[int]]] = []

    def probe(ctx):
        names = ("operands", "levels", "products")
        found = {
            name: [ctx.get(x) for each in dut.columns for x in getattr(each, name)]
            for name in names
        }
        found["sum"] = [ctx.get(each.total) for each in dut.columns]
        found["accumulator"] = [ctx.get(each.acc) for each in dut.columns]
        seen.append(found)

    fields = levels & 0xFF
    simulate(
        dut, {"beats": beats(acts, fields)}, {"sums": 4},
        constants={"work": schedule_word(a, mac.schedule), "bypass": 1}, probe=probe,
    )  # fmt: skip
    stream = OperandStream(
        layer="random", operands="random", activations=acts.reshape(12, 3),
        weights=fields.reshape(12, 2, 3), channels=np.zeros(12, int),
        first=np.array([1, 0, 0] * 4), last=np.array([0, 0, 1] * 4), macs=72, act_width=4,
        weight_bits=8, level_width=8, codebook=[], bypass=1, work=mac.schedule,
    )  # fmt: skip
    found = a.lanes.toggles(a, stream)
    assert set(found) == set(TOGGLES)
    cycles = 12 * mac.schedule.beat_cycles

    def changes(name: str, delay: int, width: int) -> int:
        """From the first cycle in which the stage has the first beat, so many cycles."""
        values = np.array([sample[name] for sample in seen[delay : delay + cycles]])
        return int(np.bitwise_count((values[1:] ^ values[:-1]) & ((1 << width) - 1)).sum())

    assert found["operand"] == changes("operands", 1, 4)
    assert found["product"] == changes("products", 2, 8)
    assert found["sum"] == changes("sum", 3, a.acc_width)
    assert found["accumulator"] == changes("accumulator", 4, a.acc_width)
    assert found["level"] > changes("levels", 1, 8)


@pytest.mark.slow
@pytest.mark.simulator
def test_codes_and_cycles_of_a_whole_network_equal_golden_and_model(tmp_path):
    program = every_kind()
    a = narrowest(program, rows=2, cols=2, micro="uniform", multiply_width=3)
    images, simulator = random_images(program, 2), usable("verilator").name
    report = cosimulate_network(program, images, a, simulator, build_dir=tmp_path)
    assert report.passed
    assert all(layer.cycles_rtl == layer.cycles_model for layer in report.layers)
