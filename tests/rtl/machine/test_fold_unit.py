"""Fold unit: the stored words equal those of an unfolded image, in as many cycles as stated."""

from typing import Any

import numpy as np
import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.layouts.held import FOLD_WORDS
from adqhw.rtl.machine.fold_unit import FoldUnit
from adqhw.rtl.timing.held_timing import fold_cycles
from adqhw.verify.held_feeds import play

WORDS, PAD_BASE = 4000, 3


def arch(rows: int) -> Arch:
    return Arch(rows=rows, cols=2, hold=2, storage=Storage(activation_words=WORDS, code_width=8))


def random_fold(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    """Geometry of an image that is folded, or stored as it is."""
    while True:
        columns = int(rng.integers(1, 8))
        height, width = (int(n) for n in rng.integers(1, 9, 2))
        channels, stride = int(rng.integers(1, rows + 1)), int(rng.integers(1, 5))
        padding = int(rng.integers(0, columns))
        if columns == 1:
            stride, channels = 1, int(rng.integers(1, 4 * rows + 2))
        right = int(rng.integers(0, columns))
        out_width = (padding + width + right - columns) // stride + 1
        words = -(-columns * channels // rows)
        if out_width > 0 and (columns == 1 or words <= FOLD_WORDS):
            return {
                "columns": columns, "stride": stride, "padding": padding, "channels": channels,
                "height": height, "width": width, "out_width": out_width,
            }  # fmt: skip


def stored(fold: dict[str, Any], image: np.ndarray, pads: list[int], rows: int) -> np.ndarray:
    """(height, out_width, words, rows) codes; image: (height, width, channels)."""
    codes = fold["columns"] * fold["channels"]
    words = -(-codes // rows)
    result = np.zeros((fold["height"], fold["out_width"], words * rows), np.int64)
    for y in range(fold["height"]):
        for x in range(fold["out_width"]):
            for i in range(fold["columns"]):
                at = x * fold["stride"] - fold["padding"] + i
                pixel = image[y, at] if 0 <= at < fold["width"] else pads
                first = i * fold["channels"]
                result[y, x, first : first + fold["channels"]] = pixel
    return result.reshape(fold["height"], fold["out_width"], words, rows)


def run(rows: int, folds: list[dict[str, Any]], idle: float, seed: int) -> None:
    """One image after the other; gaps in the stream with chance `idle`."""
    rng = np.random.default_rng(seed)
    dut = FoldUnit(arch(rows))

    async def bench(ctx):
        for fold in folds:
            pad_stored = bool(rng.random() < 0.5)
            word = [int(n) for n in rng.integers(0, 256, rows)]
            pads = [word[c % rows] * pad_stored for c in range(fold["channels"])]
            image = rng.integers(0, 256, [fold[n] for n in ("height", "width", "channels")])
            words, rest = divmod(fold["columns"] * fold["channels"] - 1, rows)
            extra = {"words": words + 1, "rest": rest + 1, "pad_base": PAD_BASE}
            ctx.set(dut.fold, fold | extra | {"pad_stored": int(pad_stored)})
            step = words + 1 + int(rng.integers(0, 2))
            line = step * fold["out_width"] + int(rng.integers(0, 3))
            base = int(rng.integers(0, 50))
            place = {"banks": 2, "start": base, "row_step": line, "pixel_step": step}
            ctx.set(dut.walk, {"write": place})
            ctx.set(dut.setup, 1)
            ctx.set(dut.image.valid, 0)
            if pad_stored:
                assert ctx.get(dut.enable)
                assert ctx.get(dut.address) == PAD_BASE
            await ctx.tick()
            ctx.set(dut.setup, 0)
            ctx.set(dut.word, word if pad_stored else [0] * rows)
            memory, cycles = await played(ctx, image.reshape(-1))
            wanted = stored(fold, image, pads, rows)
            assert memory == {
                base + y * line + x * step + w: list(wanted[y, x, w])
                for y, x, w in np.ndindex(*wanted.shape[:3])
            }, fold
            if not idle:
                assert cycles == fold_cycles(dut.arch, **fold), fold

    async def played(ctx, codes):
        memory, at, cycle, offers = {}, 0, 1, False
        while not ctx.get(dut.finished):
            offers = at < len(codes) and (offers or rng.random() >= idle)
            ctx.set(dut.image.valid, int(offers))
            ctx.set(dut.image.payload, int(codes[at]) if offers else 77)
            if ctx.get(dut.write.lanes):
                assert ctx.get(dut.write.banks) == 2
                assert ctx.get(dut.write.lanes) == (1 << rows) - 1
                address = ctx.get(dut.write.address)
                assert address not in memory
                memory[address] = list(ctx.get(dut.write.word))
            taken = offers and ctx.get(dut.image.ready)
            if taken:
                assert ctx.get(dut.image_last) == (at == len(codes) - 1)
                at, offers = at + 1, False
            await ctx.tick()
            cycle += 1
            assert cycle < 20000
        assert at == len(codes)
        return memory, cycle

    play(dut, bench)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("idle", [0, 0.4])
def test_stored_words_of_random_images(rows: int, idle: float):
    rng = np.random.default_rng([rows, int(10 * idle)])
    run(rows, [random_fold(rng, rows) for _ in range(10)], idle, rows)


@pytest.mark.parametrize("rows", [8, 16])
def test_the_stem_of_a_residual_network_is_one_word_or_several(rows: int):
    fold = {"columns": 7, "stride": 2, "padding": 3, "channels": 3}
    size = {"height": 2, "width": 14, "out_width": 7}
    assert fold_cycles(arch(rows), **fold, **size) < 2 * 20 * 3 + 40
    run(rows, [fold | size] * 2, 0, rows)


def test_words_that_begin_together_are_all_written():
    fold = {"columns": 4, "stride": 1, "padding": 1, "channels": 4, "height": 3, "width": 6}
    waits = fold_cycles(arch(4), **fold, out_width=5)
    assert waits > 3 * 5 * 4  # more words than codes would take
    run(4, [fold | {"out_width": 5}], 0.2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_stored_words_of_many_random_images(seed: int):
    rng = np.random.default_rng([seed, 99])
    rows = int(rng.integers(1, 20))
    idle = float(rng.choice([0, 0.1, 0.6]))
    run(rows, [random_fold(rng, rows) for _ in range(20)], idle, seed)
