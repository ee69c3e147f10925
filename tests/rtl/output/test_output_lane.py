"""Output lane against the contract: ties, limits, signs, factors of one and of several parts."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.output.output_lane import OutputLane
from adqhw.rtl.timing.held_timing import LANE_REQUANT_CYCLES, lane_threshold_cycles
from adqhw.spec import IntFormat, Requant, Threshold


def run(dut: OutputLane, stage: dict, rows: list[dict], operands: list, seed: int = 0):
    """(code, count) of every operand (row, sum, skip); the stages stand still now and then."""
    rng = np.random.default_rng(seed)
    late, last = LANE_REQUANT_CYCLES, lane_threshold_cycles(dut.arch)
    codes, counts = [], []

    async def bench(ctx):
        ctx.set(dut.stage, stage)
        ctx.set(dut.half, (1 << stage["shift"]) >> 1 if stage["requant"] else 0)
        step = 0
        while len(counts) < len(operands):
            moves = rng.random() < 0.8
            ctx.set(dut.advance, int(moves))
            valid = step < len(operands)
            ctx.set(dut.valid, int(valid))
            row, total, skip = operands[step] if valid else operands[0]
            ctx.set(dut.sum, total)
            ctx.set(dut.skip, skip)
            ctx.set(dut.requant, rows[row]["requant"])
            ctx.set(dut.requant_fresh, 1)
            at = step - late
            if 0 <= at < len(operands):  # its code is out: its thresholds now
                ctx.set(dut.thresholds, rows[operands[at][0]]["thresholds"])
            ctx.set(dut.thresholds_fresh, 1)
            if moves:
                if 0 <= at < len(operands):
                    codes.append(ctx.get(dut.code))
                if 0 <= step - last < len(operands):
                    counts.append(ctx.get(dut.count))
                step += 1
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return codes, counts


def rows_of(requant: Requant, threshold: Threshold) -> list[dict]:
    return [
        {
            "requant": {"multiplier": int(m), "bias": int(b)},
            "thresholds": {"negative": int(s < 0), "tau": [int(t) for t in tau]},
        }
        for m, b, s, tau in zip(
            requant.multiplier, requant.bias, threshold.sign, threshold.tau, strict=True
        )
    ]


def compare(arch: Arch, requant: Requant, threshold: Threshold, sums, skips, **part) -> None:
    """sums, skips: (channels, n); the way with requantization and the way without."""
    operands = [
        (c, int(sums[c, i]), int(skips[c, i])) for i in range(sums.shape[1]) for c in (0, 1)
    ]
    stage = {
        "requant": 1,
        "skip": 1,
        "chained": 1,
        "shift": requant.shift,
        "skip_multiplier": requant.skip_multiplier,
        "out_min": requant.out.min,
        "out_max": requant.out.max,
    }
    rows = rows_of(requant, threshold)
    codes, counts = run(OutputLane(arch, **part), stage, rows, operands)
    main = requant.apply(sums[None], skips[None])
    assert codes == main[0].T.ravel().tolist()
    assert counts == threshold.apply(main)[0].T.ravel().tolist()
    alone = [(c, total, 0) for c, total, _ in operands]
    codes, counts = run(OutputLane(arch, **part), stage | {"requant": 0}, rows, alone)
    assert codes == [total for _, total, _ in alone]
    assert counts == threshold.apply(sums[None])[0].T.ravel().tolist()


@pytest.mark.parametrize("part_width", [2, 3, 17])
@pytest.mark.parametrize("out", ["u2", "s4"])
def test_every_small_sum(out: str, part_width: int):
    """All 7-bit sums with residuals: ties of both signs, both ends of saturation, both signs."""
    widths = RequantWidths(
        multiplier_width=5, bias_width=8, shift_max=5, skip_multiplier_width=5, skip_width=4
    )
    arch = Arch(rows=1, cols=1, hold=2, acc_width=7, out_width=6, threshold_width=2, requant=widths)
    sums = np.array([range(-64, 64)] * 2)
    skips = np.array([[i % 16 - 8 for i in range(128)], [i // 8 - 8 for i in range(128)]])
    requant = Requant(
        multiplier=[-16, 15], bias=[-128, 3], shift=3, out=IntFormat.parse(out), skip_multiplier=-13
    )
    threshold = Threshold(tau=[[-3, 0, 2], [-1, -1, 5]], sign=[1, -1])
    compare(arch, requant, threshold, sums, skips, part_width=part_width)


def test_the_contracts_limits_do_not_overflow():
    """Largest multiplier, bias, shift, sum and residual; sums of any sign without requantization,
    the most negative one through a negative threshold."""
    limit = (1 << 31) - 1
    arch = Arch(
        rows=1, cols=1, hold=2, acc_width=32, threshold_width=1,
        requant=RequantWidths(multiplier_width=32),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    sums = np.concatenate([[[-limit - 1, limit]] * 2, rng.integers(-limit, limit, (2, 30))], axis=1)
    skips = np.concatenate([[[255, -256]] * 2, rng.integers(-256, 256, (2, 30))], axis=1)
    requant = Requant(
        multiplier=[limit, -limit - 1],
        bias=[(1 << 55) - 1, -(1 << 55)],
        shift=37,
        out=IntFormat.parse("s32"),
        skip_multiplier=limit,
    )
    threshold = Threshold(tau=[[limit], [limit + 1]], sign=[1, -1])
    compare(arch, requant, threshold, sums, skips)
