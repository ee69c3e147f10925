"""The output stage against the contract: passes of every kind, with and without stalls."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.output.payloads import Source

from ..rtl_streams import played, reset, started
from ..stage_bench import Pressure, check, check_cycles, run_passes
from ..stage_model import Contents, StagePass
from ..stage_passes import KINDS, random_pass

SIZES = ("height", "width", "blocks", "group")
FEW = 12
"""Words of a map that is too large."""


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
    pressures = (Pressure(idle=0.3), Pressure(idle=0.2, pause=0.5))
    for seed, pressure in enumerate(pressures * (4 if simulator else 1)):
        dut = make()
        arch, rng = dut.arch, np.random.default_rng(seed + 5)
        contents = Contents.random(arch, rng, low=5)
        contents.bias = rng.integers(-64, 64, contents.bias.shape)
        passes = _passes(arch, rng, results_only=bool(seed % 2))
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
    shape = dut.walk.shape()

    async def bench(ctx: Any) -> None:
        ctx.set(dut.source, Source.MAXIMA)
        for name in SIZES:
            for bit in range(1, shape[name].width):
                for low in (0, int(rng.integers(1, 4))) if simulator else (bit & 1,):
                    walk = _large(rng, name, 1 << bit | low, 1 << shape["channels"].width)
                    place = {n: int(rng.integers(64)) for n in ("start", "row_step", "pixel_step")}
                    ctx.set(dut.walk, walk | {"whole": 1, "write": place | {"banks": 2}})
                    await _first_words(ctx, dut, walk, place)
                    await reset(ctx, rst)

    played(running, bench)


def _large(rng: np.random.Generator, name: str, size: int, most: int) -> dict[str, int]:
    """A walk of which one size is that, the others are small, as far as its channels fit."""
    sizes = {n: int(rng.integers(1, 4)) for n in SIZES} | {name: size}
    if sizes["blocks"] * sizes["group"] >= most:
        sizes |= {"blocks": 1, "group": 1} | {name: size}
    rest = int(rng.integers(1, sizes["group"] + 1))
    return sizes | {"channels": (sizes["blocks"] - 1) * sizes["group"] + rest}


def _words(walk: dict[str, int], place: dict[str, int]) -> Iterator[int]:
    """Addresses, in their order."""
    for base in range(0, walk["channels"], walk["group"]):
        size = min(walk["group"], walk["channels"] - base)
        for y in range(walk["height"]):
            for x in range(walk["width"]):
                pixel = place["start"] + y * place["row_step"] + x * place["pixel_step"]
                yield from range(pixel + base, pixel + base + size)


async def _first_words(ctx: Any, dut: Any, walk: dict[str, int], place: dict[str, int]) -> None:
    ctx.set(dut.setup, 1)
    ctx.set(dut.maxima.valid, 0)
    await ctx.tick()
    ctx.set(dut.setup, 0)
    await ctx.tick()
    await ctx.tick()
    ctx.set(dut.maxima.valid, 1)
    words = list(islice(_words(walk, place), FEW + 1))
    for address in words[:FEW]:
        assert not ctx.get(dut.finished)
        assert ctx.get(dut.write.lanes) == (1 << dut.arch.rows) - 1
        assert ctx.get(dut.write.address) == address % 64
        await ctx.tick()
    assert ctx.get(dut.finished) == (len(words) <= FEW)


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
