"""Lane array and its columns against plain integer sums."""

import dataclasses

import numpy as np
import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import names
from adqhw.rtl.lanes.lane_array import LaneArray
from adqhw.rtl.lanes.lookup_mac import LookupMac
from adqhw.rtl.timing.schedule import schedule_word
from adqhw.rtl.timing.timing import column_latency
from adqhw.verify.rtl_streams import simulate

LEVELS = (0, 1, 5, 31, 127, -1, -9, -128)
SHIFTS = (0, 1, 5, 40, 64, -1, -10, -128)
"""The same for `shift_add`: powers of two, and 5 times powers of two."""


def arch(rows: int, cols: int, micro: str = "decode", **widths: int) -> Arch:
    options = {"weight_width": 3, "act_width": 4, "level_width": 8, "acc_width": 20} | widths
    return Arch(rows=rows, cols=cols, micro=micro, **options)


def beats(groups: np.ndarray, fields: np.ndarray) -> list[dict]:
    """Payloads of (G, depth, rows) activations and (G, depth, cols, rows) weight fields."""
    depth = groups.shape[1]
    return [
        {
            "activations": groups[g, d].tolist(),
            "weights": fields[g, d].tolist(),
            "channel": g % 4,
            "first": int(d == 0),
            "last": int(d == depth - 1),
        }
        for g in range(len(groups))
        for d in range(depth)
    ]


def levels_of(a: Arch) -> tuple[int, ...]:
    return SHIFTS if a.micro == "shift_add" else LEVELS


def mac(a: Arch, *, bypass: bool = False) -> LookupMac:
    book = None if bypass else levels_of(a)
    return LookupMac(arch=a, act_width=a.act_width, codebook=book, level_width=a.level_width)


def fields_of(a: Arch, codes: np.ndarray, *, bypass: bool) -> np.ndarray:
    if a.micro != "uniform" and not bypass:
        return codes
    return np.array(levels_of(a))[codes] & ((1 << a.field_width) - 1)


def run(a: Arch, groups: np.ndarray, codes: np.ndarray, *, bypass: bool = False, **pressure):
    loads = [("codebook", {"code": i, "level": level}) for i, level in enumerate(levels_of(a))]
    work = schedule_word(a, mac(a, bypass=bypass).schedule)
    return simulate(
        LaneArray(a),
        {"beats": beats(groups, fields_of(a, codes, bypass=bypass))},
        {"sums": len(groups)},
        loads=loads,
        constants={"bypass": int(bypass)} | ({"work": work} if work else {}),
        **pressure,
    )


def expected(groups: np.ndarray, codes: np.ndarray, levels=LEVELS) -> list[list[int]]:
    return np.einsum("gdr,gdcr->gc", groups, np.array(levels)[codes]).tolist()


def sums(trace) -> list[list[int]]:
    return [list(value.acc) for value in trace.values("sums")]


@pytest.mark.parametrize("micro", names())
@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("act_width", [1, 4, pytest.param(6, marks=pytest.mark.slow)])
def test_every_product_is_exact(micro: str, bypass: bool, act_width: int):
    """Every level times every activation, one product per sum."""
    a = arch(1, 1, micro, act_width=act_width)
    code, act = np.indices((len(LEVELS), 1 << act_width)).reshape(2, -1, 1, 1)
    trace = run(a, act, code[..., None], bypass=bypass)
    assert sums(trace) == expected(act, code[..., None], levels_of(a))


@pytest.mark.parametrize("micro", names())
@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("weight_width", [2, 3, 8])
def test_the_parameter_object_computes_what_it_creates(micro, bypass, weight_width):
    """Random sums of several beats: the model, the hardware and the plain sum."""
    a = arch(3, 2, micro, weight_width=weight_width, act_width=5)
    rng = np.random.default_rng(weight_width)
    groups = rng.integers(0, 32, (4, 3, 3))
    codes = rng.integers(0, min(8, 1 << weight_width), (4, 3, 2, 3))
    want = expected(groups, codes, levels_of(a))
    fields = fields_of(a, codes, bypass=bypass)
    model = dataclasses.replace(mac(a, bypass=bypass), codebook=None if bypass else
                                levels_of(a)[: 1 << weight_width])  # fmt: skip
    computed = [[model.compute(g, f[:, col]) for col in range(2)]
                for g, f in zip(groups, fields, strict=True)]  # fmt: skip
    assert computed == want
    if weight_width == 3:
        assert sums(run(a, groups, codes, bypass=bypass)) == want


def test_the_largest_operands_do_not_wrap():
    a = arch(2, 1, act_width=8, acc_width=18)  # 2 * -128 * 255 needs 17 bits
    act = np.full((2, 1, 2), 255)
    codes = np.array([7, 4]).reshape(2, 1, 1, 1).repeat(2, axis=3)
    assert sums(run(a, act, codes)) == [[-2 * 128 * 255], [2 * 127 * 255]]


def test_partial_sums_may_exceed_a_minimal_accumulator():
    """acc_width 6 holds the finished sum -3; the sum of one beat, 15 * 127, does not fit it."""
    act = np.array([[[15], [15], [3]]])
    levels = {4: 127}
    trace = run(arch(1, 1, acc_width=6), act, np.array([4, 5, 5]).reshape(1, 3, 1, 1))
    total = 15 * levels[4] - 15 - 3
    assert sums(trace) == [[(total + 32) % 64 - 32]]


@pytest.mark.parametrize(("rows", "cols", "depth"), [(1, 3, 4), (2, 2, 1), (5, 3, 7), (8, 1, 2)])
@pytest.mark.parametrize("micro", names())
def test_sums_do_not_depend_on_idles_or_back_pressure(rows, cols, depth, micro):
    rng = np.random.default_rng(rows * 100 + depth)
    groups = rng.integers(0, 16, (6, depth, rows))
    codes = rng.integers(0, 8, (6, depth, cols, rows)) * rng.integers(0, 2, (6, depth, cols, rows))
    for idle, pause in ((0, 0), (0.5, 0), (0, 0.5), (0.4, 0.7)):
        a = arch(rows, cols, micro)
        trace = run(a, groups, codes, idle=idle, pause=pause)
        assert sums(trace) == expected(groups, codes, levels_of(a))
        assert [value.channel for value in trace.values("sums")] == [0, 1, 2, 3, 0, 1]


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("micro", names())
@pytest.mark.parametrize("bypass", [False, True])
def test_latency_and_throughput_are_as_stated(micro: str, bypass: bool, depth: int):
    a = arch(2, 2, micro, act_width=6)
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 16, (5, depth, 2))
    trace = run(a, groups, rng.integers(0, 8, (5, depth, 2, 2)), bypass=bypass)
    work = mac(a, bypass=bypass).schedule
    start = trace.accepted["beats"][0]
    assert trace.accepted["beats"] == [
        start + group * work.group_cycles(depth) + beat * work.beat_cycles
        for group in range(5)
        for beat in range(depth)
    ]
    last = trace.accepted["beats"][depth - 1 :: depth]
    assert trace.cycles("sums") == [cycle + column_latency(a, work) for cycle in last]
    if work.group_cycles(1) == 1:
        dut = LaneArray(a)
        assert (dut.latency, dut.initiation_interval) == (column_latency(a, work), 1)


def test_a_zero_code_gates_its_lane():
    """Operand registers hold and the product is 0 although the activation changes."""
    column = arch(2, 1).lanes.column(arch(2, 1))
    codes = np.array([[3, 3], [0, 2], [0, 1]])  # row 0: a live beat, then two gated ones
    acts = np.array([[9, 4], [6, 5], [2, 7]])
    seen = []

    def probe(ctx):
        seen.append([ctx.get(column.operands[row]) for row in range(2)])
        products.append([ctx.get(column.products[row]) for row in range(2)])

    products: list[list[int]] = []
    _drive(column, codes, acts, probe)
    assert [row[0] for row in seen[1:4]] == [9, 9, 9]
    assert [row[1] for row in seen[1:4]] == [4, 5, 7]
    assert [row[0] for row in products[2:5]] == [31 * 9, 0, 0]
    assert [row[1] for row in products[2:5]] == [31 * 4, 5 * 5, 1 * 7]


def _drive(column, codes, acts, probe):
    """Beats straight into a column, one per cycle, then two empty cycles."""
    from amaranth.sim import Simulator

    async def bench(ctx):
        ctx.set(column.codebook, list(LEVELS))
        ctx.set(column.advance, 1)
        for cycle in range(len(codes) + 2):
            ctx.set(column.load, int(cycle < len(codes)))
            if cycle < len(codes):
                ctx.set(column.weights, codes[cycle].tolist())
                ctx.set(column.activations, acts[cycle].tolist())
            probe(ctx)
            await ctx.tick()

    simulator = Simulator(column)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
