"""Drain: order, channels, and one sum per cycle without gaps."""

import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.engine.drain import Drain
from adqhw.verify.rtl_streams import simulate


def arch(cols: int) -> Arch:
    return Arch(rows=1, cols=cols, channels=8, acc_width=12)


def groups(cols: int, count: int) -> list[dict]:
    return [
        {"acc": [(-1) ** c * (100 * g + c) for c in range(cols)], "channel": (2 * g) % 8}
        for g in range(count)
    ]


@pytest.mark.parametrize("cols", [1, 2, 5])
@pytest.mark.parametrize(("idle", "pause"), [(0, 0), (0.6, 0), (0, 0.6), (0.5, 0.5)])
def test_serializes_in_column_order(cols: int, idle: float, pause: float):
    fed = groups(cols, 4)
    trace = simulate(Drain(arch(cols)), {"sums": fed}, {"accs": 4 * cols}, idle=idle, pause=pause)
    expected = [(acc, (g["channel"] + c) % 8) for g in fed for c, acc in enumerate(g["acc"])]
    assert [(v.acc, v.channel) for v in trace.values("accs")] == expected


@pytest.mark.parametrize("cols", [1, 3])
def test_latency_and_interval_are_as_stated(cols: int):
    dut = Drain(arch(cols))
    trace = simulate(Drain(arch(cols)), {"sums": groups(cols, 4)}, {"accs": 4 * cols})
    assert trace.accepted["sums"] == [dut.initiation_interval * g for g in range(4)]
    first = trace.accepted["sums"][0] + dut.latency
    assert trace.cycles("accs") == list(range(first, first + 4 * cols))  # no gap
