"""Beat buffer: every beat once, in order, in the cycle in which it can be taken."""

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.machine.beat_buffer import BeatBuffer


@pytest.mark.parametrize(("idle", "pause"), [(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.6)])
def test_every_beat_passes_once_and_none_is_late(idle: float, pause: float):
    """The output is offered while a beat that came has not left; the input waits one beat later."""
    dut = BeatBuffer(Arch(rows=2, cols=2, hold=2, act_width=4))
    rng = np.random.default_rng(7)
    came, left = [], []

    async def bench(ctx):
        offering = False
        for number in range(300):
            if not offering:
                offering = rng.random() >= idle
                ctx.set(Value.cast(dut.source.payload), number)
            ctx.set(dut.source.valid, int(offering))
            ctx.set(dut.beats.ready, int(rng.random() >= pause))
            waits = len(came) - len(left)
            assert ctx.get(dut.source.ready) == (waits == 0)
            assert ctx.get(dut.beats.valid) == (waits + offering > 0)
            if offering and ctx.get(dut.source.ready):
                came.append(ctx.get(Value.cast(dut.source.payload)))
                offering = False
            if ctx.get(dut.beats.valid) and ctx.get(dut.beats.ready):
                left.append(ctx.get(Value.cast(dut.beats.payload)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert left == came[: len(left)]
    assert len(left) > 60
    assert len(came) - len(left) <= 1
