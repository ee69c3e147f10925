"""The fold unit against an image cut into words, in the order in which they become complete.

As with the feed, loops may be far too long: a reset cuts those images off.
"""

from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.layouts.held import FOLD_WORDS
from adqhw.rtl.timing.held_timing import fold_cycles

from ..rtl_streams import played, reset, started

IMAGES, CODES, WORDS = 48, 48, 64
Word = tuple[int, int, list[int]]
"""Number of the code that completes it, address, codes."""


def fold_arch() -> Arch:
    return Arch(rows=3, cols=2, hold=2, storage=Storage(activation_words=WORDS, code_width=4))


def random_fold(rng: np.random.Generator, rows: int, *, long: bool) -> dict[str, int]:
    """Geometry of an image; long: of one whose end is far."""
    while True:
        columns = int(rng.choice([1, 2, 3, 5, 8, 8]))
        height, width, out_width = (int(n) for n in rng.integers(1, 5, 3))
        channels, stride = int(rng.integers(1, rows + 1)), int(rng.integers(1, 4))
        padding, right = int(rng.integers(0, columns)), int(rng.integers(0, columns))
        if columns == 1:
            stride, channels, padding, right = 1, int(rng.integers(1, 9)), 0, 0
        if long:
            which = int(rng.integers(0, 4))
            height |= (which == 0) << int(rng.integers(2, 10))
            out_width |= (which == 1) << int(rng.integers(3, 8))
            stride |= (which == 2 and columns > 1) << int(rng.integers(3, 8))
            channels |= (which == 3 and columns == 1) << int(rng.integers(4, 16))
        width = (out_width - 1) * stride + columns - padding - right
        width += int(rng.integers(0, stride)) if columns > 1 else 0
        words = -(-columns * channels // rows)
        if 0 < width < 1 << 10 and (columns == 1 or words <= FOLD_WORDS):
            return {
                "columns": columns, "stride": stride, "padding": padding, "channels": channels,
                "height": height, "width": width, "out_width": out_width,
            }  # fmt: skip


def image_code(seed: int, at: int) -> int:
    """A code that depends on its number in the image."""
    return (at * 0x9E3779B1 + seed * 0x85EBCA6B >> 9) & 15


class _Image:
    """What is stored of an image, as far as `CODES` codes go."""

    def __init__(self, fold: dict[str, int], seed: int, pads: list[int], rows: int) -> None:
        self.fold, self.seed, self.pads, self.rows = fold, seed, pads, rows
        self.reach = (fold["out_width"] - 1) * fold["stride"] + fold["columns"]
        self.line = max(fold["padding"] + fold["width"], self.reach) * fold["channels"]

    def code(self, y: int, column: int, channel: int) -> int:
        """Of a column of the padded line."""
        fold, x = self.fold, column - self.fold["padding"]
        if not 0 <= x < fold["width"]:
            return self.pads[channel]
        return image_code(self.seed, (y * fold["width"] + x) * fold["channels"] + channel)

    def words(self, place: dict[str, int]) -> list[Word]:
        """Those that begin within `8 * CODES` codes of the padded lines, as they are complete."""
        fold, rows, found = self.fold, self.rows, []
        codes = fold["columns"] * fold["channels"]
        for y in range(min(fold["height"], CODES)):
            for x in range(min(fold["out_width"], 8 * CODES)):
                pixel = y * self.line + x * fold["stride"] * fold["channels"]
                if pixel > 8 * CODES:
                    break
                at = place["start"] + y * place["row_step"] + x * place["pixel_step"]
                for word in range(min(-(-codes // rows), CODES)):
                    numbers = range(word * rows, min((word + 1) * rows, codes))
                    values = [
                        self.code(y, x * fold["stride"] + n // fold["channels"],
                                  n % fold["channels"]) for n in numbers
                    ]  # fmt: skip
                    values += [0] * (rows - len(values))
                    found.append((pixel + (word + 1) * rows - 1, word, (at + word) % WORDS, values))
        return [(end, at, values) for end, _, at, values in sorted(found)]

    def number(self, taken: int) -> int:
        """Place in the padded lines of a code of the image."""
        fold = self.fold
        line, rest = divmod(taken, fold["width"] * fold["channels"])
        return line * self.line + fold["padding"] * fold["channels"] + rest


def fold_bench(make: Any, simulator: Any) -> None:
    """Images of all kinds, with gaps in the stream."""
    dut, rng = make(), np.random.default_rng(23)
    running, rst = started(dut, simulator)

    async def bench(ctx: Any) -> None:
        await reset(ctx, rst)
        for number in range(IMAGES):
            if not await _stored(ctx, dut, rng, number):
                await reset(ctx, rst)

    played(running, bench)


async def _stored(ctx: Any, dut: Any, rng: np.random.Generator, number: int) -> bool:
    """Play an image; whether it came to its end."""
    rows = dut.arch.rows
    fold = random_fold(rng, rows, long=number % 2 == 1)
    pad_stored, pad_base = int(rng.integers(2)), int(rng.integers(WORDS))
    word = rng.integers(0, 16, rows).tolist()
    image = _Image(fold, number, [w * pad_stored for w in word] * CODES, rows)
    place = {n: int(rng.integers(WORDS)) for n in ("start", "row_step", "pixel_step")}
    expected = image.words(place)
    words, rest = divmod(fold["columns"] * fold["channels"] - 1, rows)
    extra = {"words": words + 1, "rest": rest + 1, "pad_base": pad_base, "pad_stored": pad_stored}
    banks = int(rng.integers(1, 4))
    ctx.set(dut.fold, fold | extra)
    ctx.set(dut.walk, {"write": place | {"banks": banks}})
    ctx.set(dut.setup, 1)
    ctx.set(dut.image.valid, 0)
    assert ctx.get(dut.finished)
    assert ctx.get(dut.enable) == pad_stored
    assert ctx.get(dut.address) == pad_base or not pad_stored
    total = fold["height"] * fold["width"] * fold["channels"]
    idle = 0.0 if number % 4 < 2 else 0.4
    at = cycle = done = 0
    offers = False
    await ctx.tick()
    ctx.set(dut.setup, 0)
    ctx.set(dut.word, word if pad_stored else rng.integers(0, 16, rows).tolist())
    while not ctx.get(dut.finished):
        cycle += 1
        if cycle == 2:
            ctx.set(dut.word, rng.integers(0, 16, rows).tolist())
        if at >= CODES or cycle > 12 * CODES:
            # a word is written before the code after its last one is taken
            assert at < total
            assert done >= sum(end < image.number(at - 1) for end, *_ in expected) > 0 or at < rows
            return False
        offers = at < total and (offers or rng.random() >= idle)
        ctx.set(dut.image.valid, int(offers))
        ctx.set(dut.image.payload, image_code(number, at) if offers else 9)
        if ctx.get(dut.write.lanes):
            end, address, codes = expected[done]
            assert at == total or end < image.number(at)
            assert ctx.get(dut.write.banks) == banks
            assert ctx.get(dut.write.lanes) == (1 << rows) - 1
            assert ctx.get(dut.write.address) == address
            assert list(ctx.get(dut.write.word)) == codes
            done += 1
        if offers and ctx.get(dut.image.ready):
            assert ctx.get(dut.image_last) == (at == total - 1)
            at, offers = at + 1, False
        await ctx.tick()
    assert (at, done) == (total, len(expected))
    if not idle:
        assert cycle + 1 == fold_cycles(dut.arch, **fold)
    return True
