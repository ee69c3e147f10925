"""Walks of arrays that hold weights: geometry as descriptor fields, and as nested loops."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from .rtl_streams import played

FLAGS = ("word", "first", "last", "opens", "closes")


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A map (height x width pixels of `words` words each from `base` on) and windows over it."""

    height: int
    width: int
    words: int
    base: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    """Top, left, bottom, right."""
    first_word: int
    channel_blocks: int
    blocks: int
    block_step: int
    hold: int
    pad_base: int | None
    constant: bool
    planes: int = 0
    weight_width: int = 4

    @property
    def out(self) -> tuple[int, int]:
        """Height and width of the map of pixels."""
        extents = (self.height, self.width)
        return tuple(
            (extents[i] + self.padding[i] + self.padding[i + 2] - self.kernel[i]) // self.stride[i]
            + 1
            for i in (0, 1)
        )  # type: ignore[return-value]

    @property
    def sizes(self) -> list[int]:
        """Pixels of the groups."""
        pixels = self.out[0] * self.out[1]
        groups = -(-pixels // self.hold)
        return [pixels // groups + (i < pixels % groups) for i in range(groups)]

    def feed(self, words: int) -> dict[str, Any]:
        """Fields of `held_feed_layout` with a memory of so many words."""
        row, cell = self.width * self.words, self.words
        start = self.base - self.padding[0] * row - self.padding[1] * cell + self.first_word
        mask = (1 << (words - 1).bit_length()) - 1
        sizes = self.sizes
        return {
            "bank": 0,
            "start": start & mask,
            "row_step": row,
            "cell_step": cell,
            "down_step": self.stride[0] * row & mask,
            "right_step": self.stride[1] * cell,
            "block_step": self.block_step,
            "pad_base": self.pad_base or 0,
            "pad_stored": int(self.pad_base is not None),
            "height": self.height,
            "width": self.width,
            "out_width": self.out[1],
            "stride_down": self.stride[0],
            "stride_right": self.stride[1],
            "padding_top": self.padding[0],
            "padding_left": self.padding[1],
            "kernel_height": self.kernel[0],
            "kernel_width": self.kernel[1],
            "channel_blocks": self.channel_blocks,
            "blocks": self.blocks,
            "groups": len(sizes),
            "larger": sum(size > sizes[-1] for size in sizes),
            "size": sizes[-1],
            "planes": self.planes,
            "weight_width": self.weight_width,
            "constant": int(self.constant),
        }

    def beats(self) -> list[dict[str, Any]]:
        """address (None: code 0), outside, slot and flags of every beat."""
        result = []
        for block in range(self.blocks):
            pixel, block_begins = 0, True
            for size in self.sizes:
                opens = True
                for ky in range(self.kernel[0]):
                    for kx in range(self.kernel[1]):
                        for inner in range(self.channel_blocks):
                            edge = (ky, kx, inner)
                            final = edge == (
                                self.kernel[0] - 1, self.kernel[1] - 1, self.channel_blocks - 1,
                            )  # fmt: skip
                            for slot in range(size):
                                y, x = self._place(pixel + slot, ky, kx)
                                inside = 0 <= y < self.height and 0 <= x < self.width
                                result.append(
                                    {
                                        "address": self._word(block, inner, y, x, inside),
                                        "outside": int(not inside),
                                        "slot": slot,
                                        "word": int(block_begins if self.constant else slot == 0),
                                        "first": int(edge == (0, 0, 0)),
                                        "last": int(final),
                                        "opens": int(opens),
                                        "closes": int(final and slot == size - 1),
                                    }
                                )
                                opens = block_begins = False
                pixel += size
        return result

    def _place(self, pixel: int, ky: int, kx: int) -> tuple[int, int]:
        y, x = divmod(pixel, self.out[1])
        return (
            y * self.stride[0] - self.padding[0] + ky,
            x * self.stride[1] - self.padding[1] + kx,
        )

    def _word(self, block: int, inner: int, y: int, x: int, inside: bool) -> int | None:
        if inside:
            pixel = self.base + (y * self.width + x) * self.words
            return pixel + self.first_word + block * self.block_step + inner
        return None if self.pad_base is None else self.pad_base + inner

    def fields(self, fill: int) -> list[tuple[int, int]]:
        """(position, first plane) of every entry of the weights' stream."""
        words = 1 if self.constant else self.kernel[0] * self.kernel[1] * self.channel_blocks
        groups = 1 if self.constant else len(self.sizes)
        return [
            (position, self.planes + ((b * words + w) * fill + position) * self.weight_width)
            for b in range(self.blocks)
            for _ in range(groups)
            for w in range(words)
            for position in range(fill)
        ]


def random_walk(rng: np.random.Generator, *, hold: int, words: int, most: int = 1500) -> Walk:
    """A walk of at most so many beats in a memory of so many words."""
    while True:
        kernel = tuple(int(k) for k in rng.integers(1, 8, 2))
        if rng.random() < 0.3:
            kernel = (1, 1)
        extents = tuple(int(e) for e in rng.choice([1, 2, 3, 5, 8, 13, 20], 2))
        channel_blocks, blocks = (int(n) for n in rng.integers(1, [6, 5]))
        block_step = int(rng.integers(0, 3)) if rng.random() < 0.5 else 0
        first_word = int(rng.integers(0, 3))
        per_pixel = first_word + channel_blocks + (blocks - 1) * block_step
        pad = None if rng.random() < 0.5 else int(rng.integers(0, 3))
        walk = Walk(
            height=extents[0],
            width=extents[1],
            words=per_pixel + int(rng.integers(0, 2)),
            base=int(rng.integers(8, 20)),
            kernel=kernel,  # type: ignore[arg-type]
            stride=tuple(int(s) for s in rng.integers(1, 5, 2)),  # type: ignore[arg-type]
            padding=tuple(int(rng.integers(0, kernel[i % 2])) for i in range(4)),  # type: ignore[arg-type]
            first_word=first_word,
            channel_blocks=channel_blocks,
            blocks=blocks,
            block_step=block_step,
            hold=int(rng.integers(1, hold + 1)),
            pad_base=pad,
            constant=bool(rng.random() < 0.2),
            planes=int(rng.integers(0, 20)),
            weight_width=int(rng.integers(1, 9)),
        )
        fits = all(extents[i] + walk.padding[i] + walk.padding[i + 2] >= kernel[i] for i in (0, 1))
        room = walk.base + walk.height * walk.width * walk.words <= words
        beats = int(np.prod(walk.out)) * kernel[0] * kernel[1] * channel_blocks * blocks
        if fits and room and beats <= most:
            return walk


def play(dut: Any, bench: Any) -> None:
    """Run the coroutine function `bench(ctx)` on a unit."""
    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    played(simulator, bench)


async def taken(ctx: Any, port: Any, count: int, rng: Any, pause: float, probe: Any = None) -> Any:
    """(payload, cycle) of the next `count` transfers of a stream.

    Checks that an offered payload stays. probe(ctx) runs in every cycle, before its edge.
    """
    result: list[Any] = []
    waiting, cycle = None, 0
    while len(result) < count:
        ready = rng.random() >= pause
        ctx.set(port.ready, int(ready))
        if probe is not None:
            probe(ctx)
        valid = ctx.get(port.valid)
        value = ctx.get(port.payload) if valid else None
        assert waiting is None or value == waiting, "an offered payload must stay"
        if valid and ready:
            result.append((value, cycle))
        waiting = value if valid and not ready else None
        await ctx.tick()
        cycle += 1
        assert cycle < 100 + 40 * count, f"only {len(result)} of {count} transfers"
    return result
