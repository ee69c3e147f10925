"""The fold unit against an image cut into words, in the order in which they become complete.

Every cycle the unit must take a code, write a word or wait, as a model says. As with the feed,
loops may be far too long: a reset cuts those images off, except in a simulator that is fast.
"""

from collections import Counter
from dataclasses import dataclass
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
        if 0 < width < 1 << 10 and _possible(columns, channels, rows):
            return _geometry(columns, stride, padding, channels, height, width, out_width)


def _possible(columns: int, channels: int, rows: int) -> bool:
    return columns == 1 or -(-columns * channels // rows) <= FOLD_WORDS


def _geometry(*numbers: int) -> dict[str, int]:
    names = ("columns", "stride", "padding", "channels", "height", "width", "out_width")
    return dict(zip(names, numbers, strict=True))


def whole_folds(rng: np.random.Generator) -> list[dict[str, int]]:
    """Images that are stored to their end, of which one count each has all its bits.

    A fault may change a count by a power of two and again in the next round: odd and even ones.
    """

    def many(bits: int) -> int:
        return (1 << bits) - int(rng.integers(1, 9))

    out_width, stride, columns = many(10) & -2, many(8), int(rng.integers(16, 25))
    height, width, channels = many(10), many(10), many(11)
    return [
        _geometry(1, 1, 0, 1, height, 1, 1),
        _geometry(1, 1, 0, 1, height ^ 1, 1, 1),
        _geometry(1, 1, 0, 1, 2, out_width, out_width),
        _geometry(2, 1, 1, 1, 2, out_width, out_width),
        _geometry(2, 1, 1, 1, 1, out_width + 1, out_width + 1),
        _geometry(3, stride, 2, 1, 2, stride * 2 + 1, 3),
        _geometry(3, stride ^ 1, 2, 1, 2, (stride ^ 1) * 2 + 1, 3),
        _geometry(columns, 1, columns - 2, 1, 2, 9, 3),
        _geometry(2, 1, 0, 1, 1, width, 3),
        _geometry(1, 1, 0, 1, 1, width ^ 1, width ^ 1),
        _geometry(1, 1, 0, channels, 1, 1, 1),
        _geometry(1, 1, 0, channels ^ 1, 1, 1, 1),
    ]


def image_code(seed: int, at: int) -> int:
    """A code that depends on its number in the image."""
    return (at * 0x9E3779B1 + seed * 0x85EBCA6B >> 9) & 15


class _Image:
    """What is stored of an image, as far as `most` codes go."""

    def __init__(
        self, fold: dict[str, int], seed: int, pads: list[int], rows: int, most: int
    ) -> None:
        self.fold, self.seed, self.pads, self.rows, self.most = fold, seed, pads, rows, most
        self.reach = (fold["out_width"] - 1) * fold["stride"] + fold["columns"]
        self.line = max(fold["padding"] + fold["width"], self.reach) * fold["channels"]

    @property
    def total(self) -> int:
        """Codes of the image."""
        return self.fold["height"] * self.fold["width"] * self.fold["channels"]

    def inside(self, number: int) -> bool:
        """Is that code of the padded lines one of the image?"""
        line, rest = divmod(number, self.line)
        x = rest // self.fold["channels"] - self.fold["padding"]
        return line < self.fold["height"] and 0 <= x < self.fold["width"]

    def code(self, y: int, column: int, channel: int) -> int:
        """Of a column of the padded line."""
        fold, x = self.fold, column - self.fold["padding"]
        if not 0 <= x < fold["width"]:
            return self.pads[channel]
        return image_code(self.seed, (y * fold["width"] + x) * fold["channels"] + channel)

    def words(self, place: dict[str, int]) -> list[Word]:
        """Those that begin within `8 * most` codes of the padded lines, as they are complete."""
        fold, rows, found = self.fold, self.rows, []
        codes = fold["columns"] * fold["channels"]
        for y in range(min(fold["height"], self.most)):
            for x in range(min(fold["out_width"], 8 * self.most)):
                pixel = y * self.line + x * fold["stride"] * fold["channels"]
                if pixel > 8 * self.most:
                    break
                at = place["start"] + y * place["row_step"] + x * place["pixel_step"]
                for word in range(min(-(-codes // rows), self.most)):
                    numbers = range(word * rows, min((word + 1) * rows, codes))
                    values = [
                        self.code(y, x * fold["stride"] + n // fold["channels"],
                                  n % fold["channels"]) for n in numbers
                    ]  # fmt: skip
                    values += [0] * (rows - len(values))
                    found.append((pixel + (word + 1) * rows - 1, word, (at + word) % WORDS, values))
        return [(end, at, values) for end, _, at, values in sorted(found)]


@dataclass
class _Pace:
    """What happens in each cycle: a code enters the chain, unless several words are the chain."""

    image: _Image
    complete: Counter[int]
    """Words by the code of the padded lines that completes them."""
    cycle: int = 1
    number: int = 0
    """Code of the padded lines that enters next."""
    waiting: int = 0
    """Words that the chain is; one of them is written."""

    @property
    def ready(self) -> bool:
        """The next code comes from the stream, and can."""
        return self._free and self.image.inside(self.number)

    @property
    def _free(self) -> bool:
        return self.cycle > FOLD_WORDS and self.waiting < 2

    def step(self, *, offered: bool) -> None:
        if self._free and (offered or not self.ready):
            self.waiting = self.complete[self.number]
            self.number += 1
        else:
            self.waiting = max(0, self.waiting - 1)
        self.cycle += 1


def fold_bench(make: Any, simulator: Any) -> None:
    """Images of all kinds, with gaps in the stream; long ones whole in the fast simulator."""
    dut, rng = make(), np.random.default_rng(23)
    running, rst = started(dut, simulator)

    async def bench(ctx: Any) -> None:
        await reset(ctx, rst)
        for number in range(IMAGES):
            fold = random_fold(rng, dut.arch.rows, long=number % 2 == 1)
            if not await _Stored(dut, rng, number, fold).run(ctx):
                await reset(ctx, rst)
        for number, fold in enumerate(whole_folds(rng) if simulator else []):
            assert await _Stored(dut, rng, 4 * number, fold, most=1 << 16).run(ctx)

    played(running, bench)


class _Stored:
    """An image and where it is stored."""

    def __init__(
        self, dut: Any, rng: np.random.Generator, number: int, fold: dict[str, int], *,
        most: int = CODES,
    ) -> None:  # fmt: skip
        self.dut, self.rng, self.fold, self.most = dut, rng, fold, most
        rows = dut.arch.rows
        self.pad_stored, self.pad_base = int(rng.integers(2)), int(rng.integers(WORDS))
        self.pads = rng.integers(0, 16, rows).tolist()
        pads = [word * self.pad_stored for word in self.pads] * -(-fold["channels"] // rows)
        self.image = _Image(fold, number, pads, rows, most)
        self.place = {n: int(rng.integers(WORDS)) for n in ("start", "row_step", "pixel_step")}
        self.expected = self.image.words(self.place)
        self.pace = _Pace(self.image, Counter(end for end, *_ in self.expected))
        self.banks = int(rng.integers(1, 4))
        self.idle = 0.0 if number % 4 < 2 else 0.4
        self.taken = self.done = 0

    async def run(self, ctx: Any) -> bool:
        """Play it; whether it came to its end."""
        dut, offers = self.dut, False
        await self._begin(ctx)
        while not ctx.get(dut.finished):
            cycle, total = self.pace.cycle, self.image.total
            if cycle == 2:  # the word of padding codes is not there any more
                ctx.set(dut.word, self._noise())
            if self.taken >= self.most or cycle > 12 * self.most:
                assert self.taken < total
                return False
            offers = self.taken < total and (offers or self.rng.random() >= self.idle)
            ctx.set(dut.image.valid, int(offers))
            code = image_code(self.image.seed, self.taken) if offers else 9
            ctx.set(dut.image.payload, code)
            self._written(ctx)
            ready = self.pace.ready
            assert ctx.get(dut.image.ready) == ready
            if offers and ready:
                assert ctx.get(dut.image_last) == (self.taken == total - 1)
            self.pace.step(offered=offers)
            if offers and ready:
                self.taken, offers = self.taken + 1, False
            await ctx.tick()
        assert (self.taken, self.done) == (self.image.total, len(self.expected))
        if not self.idle:
            assert self.pace.cycle == fold_cycles(dut.arch, **self.fold)
        return True

    async def _begin(self, ctx: Any) -> None:
        dut, fold, rows = self.dut, self.fold, self.dut.arch.rows
        words, rest = divmod(fold["columns"] * fold["channels"] - 1, rows)
        pads = {"pad_base": self.pad_base, "pad_stored": self.pad_stored}
        ctx.set(dut.fold, fold | pads | {"words": words + 1, "rest": rest + 1})
        ctx.set(dut.walk, {"write": self.place | {"banks": self.banks}})
        ctx.set(dut.setup, 1)
        ctx.set(dut.image.valid, 0)
        assert ctx.get(dut.finished)
        assert ctx.get(dut.enable) == self.pad_stored
        assert ctx.get(dut.address) == self.pad_base or not self.pad_stored
        await ctx.tick()
        ctx.set(dut.setup, 0)
        ctx.set(dut.word, self.pads if self.pad_stored else self._noise())

    def _noise(self) -> list[int]:
        return [int(code) for code in self.rng.integers(0, 16, self.dut.arch.rows)]

    def _written(self, ctx: Any) -> None:
        """A word, in the cycles in which the chain is one."""
        dut, rows = self.dut, self.dut.arch.rows
        assert ctx.get(dut.write.lanes) == ((1 << rows) - 1 if self.pace.waiting else 0)
        if self.pace.waiting:
            _, address, codes = self.expected[self.done]
            assert ctx.get(dut.write.banks) == self.banks
            assert ctx.get(dut.write.address) == address
            assert list(ctx.get(dut.write.word)) == codes
            self.done += 1
