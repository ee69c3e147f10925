"""Signals of a whole accelerator in Amaranth's simulator, at every clock edge of one image."""

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator

LIMIT = 200_000


def sampled(
    simulator: Simulator, dut, signals: dict[str, Value], rows: list, image: np.ndarray
) -> dict[str, list[int]]:
    """`signals` (`image`: a code is taken, and `busy` among them) from start to done.

    simulator: of `dut`, which takes `rows` at its load port and `image` (C, H, W) as its stream.
    """
    simulator.add_clock(1e-6)
    codes = image.transpose(1, 2, 0).ravel().tolist()
    found: dict[str, list[int]] = {name: [] for name in signals}

    async def bench(ctx):
        for target, row, data in rows:
            ctx.set(dut.load.payload, {"target": int(target), "row": row, "data": data})
            ctx.set(dut.load.valid, 1)
            await ctx.tick()
        ctx.set(dut.load.valid, 0)
        ctx.set(dut.result.ready, 1)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.image.valid, 1)
        at = 0
        ctx.set(dut.image.payload, codes[0])
        for _ in range(LIMIT):
            _, _, *values = await ctx.tick().sample(*signals.values())
            for name, value in zip(signals, values, strict=True):
                found[name].append(int(value))
            if found["image"][-1]:
                at += 1
                ctx.set(dut.image.payload, codes[at] if at < len(codes) else 0)
                ctx.set(dut.image.valid, int(at < len(codes)))
            if not found["busy"][-1]:
                return
        raise AssertionError(f"{type(dut).__name__} must end within {LIMIT} cycles")

    simulator.add_testbench(bench)
    simulator.run()
    return found
