"""The output stage against the contract: passes of every kind, with and without stalls."""

from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.output.payloads import Source

from ..rtl_streams import played, reset, started
from ..stage_bench import Pressure, check, check_cycles, run_passes
from ..stage_model import Contents, StagePass
from ..stage_passes import KINDS, random_pass


def stage_arch() -> Arch:
    storage = Storage(activation_words=64, threshold_rows=16, requant_rows=16, code_width=4)
    widths = RequantWidths(
        multiplier_width=4, bias_width=7, shift_max=6, skip_multiplier_width=3, skip_width=5
    )
    return Arch(
        rows=4, cols=4, hold=3, out_lanes=2, acc_width=7, threshold_width=2, out_width=9,
        requant=widths, storage=storage,
    )  # fmt: skip


def stage_bench(make: Any, simulator: Any) -> None:
    """Each kind wide and narrow, with residuals, as results; results that are not taken."""
    _long_walks(make, simulator)
    for seed, pressure in enumerate((Pressure(idle=0.3), Pressure(idle=0.2, pause=0.5))):
        dut = make()
        arch, rng = dut.arch, np.random.default_rng(seed + 5)
        contents = Contents.random(arch, rng, low=5)
        contents.bias = rng.integers(-64, 64, contents.bias.shape)
        passes = _passes(arch, rng, results_only=bool(seed))
        records = run_passes(
            arch, contents, passes, pressure, seed, dut=dut, simulator=simulator
        )  # fmt: skip
        for one, record in zip(passes, records, strict=True):
            check(arch, contents, one, record, inside=simulator is None)
            if not pressure.pause and not one.to_stream:
                check_cycles(arch, contents, one, record)


def _long_walks(make: Any, simulator: Any) -> None:
    """Maps far too large, for every bit of their size: the first words, until a reset."""
    dut, rng = make(), np.random.default_rng(31)
    running, rst = started(dut, simulator)
    sizes = ("height", "width", "blocks", "group")
    shape = dut.walk.shape()

    async def bench(ctx: Any) -> None:
        ctx.set(dut.source, Source.MAXIMA)
        for name in sizes:
            for bit in range(1, shape[name].width):
                place = {n: int(rng.integers(64)) for n in ("start", "row_step", "pixel_step")}
                low = 1 if bit == 1 else int(rng.integers(2, 4))
                walk = dict.fromkeys(sizes, 1) | {name: 1 << bit | low, "whole": 1}
                walk["channels"] = max(walk["blocks"], walk["group"])
                step = {"height": place["row_step"], "width": place["pixel_step"]}.get(name, 1)
                ctx.set(dut.walk, walk | {"write": place | {"banks": 2}})
                ctx.set(dut.setup, 1)
                ctx.set(dut.maxima.valid, 0)
                await ctx.tick()
                ctx.set(dut.setup, 0)
                await ctx.tick()
                await ctx.tick()
                ctx.set(dut.maxima.valid, 1)
                for number in range(min(6, walk[name])):
                    assert not ctx.get(dut.finished)
                    assert ctx.get(dut.write.lanes) == (1 << dut.arch.rows) - 1
                    assert ctx.get(dut.write.address) == (place["start"] + number * step) % 64
                    await ctx.tick()
                assert ctx.get(dut.finished) == (walk[name] <= 6)
                await reset(ctx, rst)

    played(running, bench)


def _passes(arch: Arch, rng: np.random.Generator, *, results_only: bool) -> list[StagePass]:
    passes = []
    ways = ((1, 1, 1), (1, 0, 1)) if results_only else ((0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 1))
    for kind in KINDS:
        for narrow, skip, results in ways:
            plain = kind == "maxima"
            if (plain and (narrow or skip)) or (skip and kind not in ("requant", "chained")):
                continue
            passes.append(random_pass(arch, rng, kind, narrow=narrow, skip=skip, results=results))
    return passes
