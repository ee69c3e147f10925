"""Feed of arrays that hold weights: walks with any fields, of which the first beats are looked at.

Fields have bits of every weight, also where no walk that ends would have them: a loop of
`1 << k | few` rounds shows whether its low bits end it. A reset cuts such walks off.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.layouts.descriptor import EXTENT_WIDTH, KERNEL_WIDTH
from adqhw.rtl.timing.held_timing import feed_latency, weight_feed_latency

from ..held_feeds import FLAGS
from ..rtl_streams import played, reset, started

WALKS, BEATS, LONG_BITS = 30, 40, 11
LOOPS = ("kernel_height", "kernel_width", "channel_blocks", "blocks", "groups", "out_width")
WORDS, ROWS = 64, 8
_EDGE = 1 << (EXTENT_WIDTH + 2)


def feed_arch() -> Arch:
    storage = Storage(activation_words=WORDS, code_width=3, weight_rows=ROWS)
    return Arch(
        rows=2, cols=2, hold=4, fill=2, act_width=3, weight_width=3, level_width=4, storage=storage
    )  # fmt: skip


def random_feed(arch: Arch, rng: np.random.Generator, dut: Any) -> dict[str, int]:
    """Small loops, some of them far too long; addresses and steps of any size."""
    layout = dut.feed.shape()
    feed = {name: int(rng.integers(1 << layout[name].width)) for name in layout.members
            if layout[name].width <= 62}  # fmt: skip
    for name in LOOPS:
        feed[name] = int(rng.integers(1, 4 if rng.random() < 0.7 else 9))
    for name in ("height", "width"):
        feed[name] = int(rng.integers(1, 5))
    for name in ("stride_down", "stride_right"):
        feed[name] = int(rng.integers(1, 4))
    for name in ("padding_top", "padding_left"):
        feed[name] = int(rng.integers(0, 3))
    feed["size"] = int(rng.integers(0, arch.hold + 1))
    larger = rng.integers(0, feed["groups"] + 1) if 0 < feed["size"] < arch.hold else 0
    feed["larger"] = int(larger) if feed["size"] else feed["groups"]
    feed["constant"] = int(rng.random() < 0.25)
    feed["weight_width"] = int(rng.integers(1, arch.plane_banks + 1))
    if rng.random() < 0.6:
        chosen = rng.choice([*LOOPS, "height", "width", "stride_down", "stride_right"])
        feed[chosen] |= 1 << int(rng.integers(2, layout[chosen].width))
    if rng.random() < 0.3:  # coordinates of any size, of maps of any size
        for name in ("height", "width", "stride_down", "stride_right"):
            feed[name] = int(rng.integers(1, 1 << EXTENT_WIDTH))
    if rng.random() < 0.3:
        feed["padding_top"] |= 1 << int(rng.integers(2, KERNEL_WIDTH))
        feed["stride_right"] |= 1 << int(rng.integers(2, EXTENT_WIDTH - 1))
    return feed


def walks(
    arch: Arch, rng: np.random.Generator, dut: Any, *, long: bool
) -> list[tuple[dict[str, int], int]]:
    """Feeds, and how many of their beats are looked at: of every bit of every loop a few."""
    layout = dut.feed.shape()
    found = [(random_feed(arch, rng, dut), BEATS) for _ in range(WALKS)]
    for name in LOOPS:
        for bit in range(1, layout[name].width):
            feed = random_feed(arch, rng, dut) | dict.fromkeys(LOOPS, 1)
            feed |= {"size": 1, "larger": 0, "constant": 0, "stride_down": 1, "stride_right": 1}
            low = 1 if bit == 1 else int(rng.integers(3, 5))
            found.append((feed | {name: 1 << bit | low}, 6))
    found += _blocks(arch, dut)
    return found + (whole_walks(arch, rng, dut) if long else [])


def _blocks(arch: Arch, dut: Any) -> list[tuple[dict[str, int], int]]:
    """Several lines of pixels in each of several blocks, a beat per pixel."""
    rng, found = np.random.default_rng(29), []
    for _ in range(6):
        feed = random_feed(arch, rng, dut) | dict.fromkeys(LOOPS, 1)
        numbers = (int(n) for n in rng.integers(1, 3, 3))
        feed |= dict(zip(("size", "out_width", "larger"), numbers, strict=True))
        found.append((feed | {"groups": 4, "blocks": 3}, BEATS))
    return found


def whole_walks(arch: Arch, rng: np.random.Generator, dut: Any) -> list[tuple[dict[str, int], int]]:
    """Walks to their end, one loop with nearly the most rounds that `LONG_BITS` have; odd and even,
    for a fault may change a count by a power of two and again in the next round."""
    layout, found = dut.feed.shape(), []
    for name in LOOPS:
        bits = min(layout[name].width, LONG_BITS)
        rounds = (1 << bits) - int(rng.integers(2, 9))
        for count in (rounds, rounds ^ 1):
            feed = random_feed(arch, rng, dut) | dict.fromkeys(LOOPS, 1)
            feed |= {"size": 1, "larger": 0, "constant": 0, name: count}
            if name == "groups":
                feed |= {"larger": count // 2, "out_width": 7}
            if name == "out_width":
                feed["groups"] = count + 2
            found.append((feed, 1 << LONG_BITS + 2))
    return found


def beats_of(feed: dict[str, int]) -> Iterator[dict[str, Any]]:
    """address (None: code 0), outside, slot and flags of every beat: the walk as nested loops."""
    for block in range(feed["blocks"]):
        pixel, block_begins = 0, True
        for group in range(feed["groups"]):
            size, opens = feed["size"] + (group < feed["larger"]), True
            for ky in range(feed["kernel_height"]):
                for kx in range(feed["kernel_width"]):
                    for inner in range(feed["channel_blocks"]):
                        edge = ky, kx, inner
                        ends = (feed["kernel_height"], feed["kernel_width"], feed["channel_blocks"])
                        last = all(at == end - 1 for at, end in zip(edge, ends, strict=True))
                        for slot in range(size):
                            yield {
                                **_place(feed, block, pixel + slot, edge),
                                "slot": slot,
                                "word": int(block_begins if feed["constant"] else slot == 0),
                                "first": int(edge == (0, 0, 0)),
                                "last": int(last),
                                "opens": int(opens),
                                "closes": int(last and slot == size - 1),
                            }
                            opens = block_begins = False
            pixel += size


def _place(
    feed: dict[str, int], block: int, pixel: int, edge: tuple[int, int, int]
) -> dict[str, Any]:
    ky, kx, inner = edge
    y, x = divmod(pixel, feed["out_width"])
    row = (y * feed["stride_down"] - feed["padding_top"] + ky) % _EDGE
    column = (x * feed["stride_right"] - feed["padding_left"] + kx) % _EDGE
    outside = row >= feed["height"] or column >= feed["width"]
    address = feed["start"] + block * feed["block_step"] + inner
    address += y * feed["down_step"] + x * feed["right_step"]
    address += ky * feed["row_step"] + kx * feed["cell_step"]
    if outside:
        stored = bool(feed["pad_stored"])
        return {"outside": 1, "address": feed["pad_base"] + inner & WORDS - 1 if stored else None}
    return {"outside": 0, "address": address & WORDS - 1}


def fields_of(feed: dict[str, int], fill: int) -> Iterator[tuple[int, int]]:
    """(position, first plane) of every entry of the weights' stream."""
    per_group = feed["kernel_height"] * feed["kernel_width"] * feed["channel_blocks"]
    words = 1 if feed["constant"] else per_group
    for block in range(feed["blocks"]):
        for _ in range(1 if feed["constant"] else feed["groups"]):
            for word in range(words):
                for position in range(fill):
                    number = (block * words + word) * fill + position
                    yield position, feed["planes"] + number * feed["weight_width"]


class _Taken:
    """The next transfers of a stream, under stalls; what is offered stays."""

    def __init__(self, ctx: Any, port: Any, rng: np.random.Generator, pause: float) -> None:
        self.ctx, self.port, self.rng, self.pause = ctx, port, rng, pause
        self.waiting: Any = None

    def look(self) -> Any:
        """The payload that is taken in this cycle, or None."""
        ctx, port = self.ctx, self.port
        ready = not self.pause or self.rng.random() >= self.pause
        ctx.set(port.ready, int(ready))
        valid = ctx.get(port.valid)
        value = ctx.get(port.payload) if valid else None
        assert self.waiting is None or value == self.waiting, "an offered payload must stay"
        self.waiting = value if valid and not ready else None
        return value if valid and ready else None


def held_feeder_bench(make: Any, simulator: Any) -> None:
    """Beats and words of a memory whose words are known; reads are counted."""
    dut, rng = make(), np.random.default_rng(17)
    running, rst = started(dut, simulator)
    memory = rng.integers(0, 64, (2, WORDS)).tolist()

    async def bench(ctx: Any) -> None:
        chosen = walks(dut.arch, rng, dut, long=simulator is not None)  # then it is fast
        for number, (feed, most) in enumerate(chosen):
            pooling = number % 4 == 3
            wanted = list(islice(beats_of(feed), most))
            whole = len(wanted) < most
            ctx.set(dut.feed, feed)
            ctx.set(dut.pooling, int(pooling))
            port, other = (dut.words, dut.beats) if pooling else (dut.beats, dut.words)
            ctx.set(other.ready, int(rng.integers(2)))
            taken = _Taken(ctx, port, rng, 0.0 if number % 2 else 0.4)
            ctx.set(dut.setup, 1)
            cycle, at, reads = 0, 0, 0
            words = [list(map(int, rng.integers(0, 8, 2))) for _ in range(2)]
            while at < len(wanted):
                ctx.set(dut.banks, words)
                beat = taken.look()
                assert not ctx.get(other.valid)
                if beat is not None:
                    _compare_beat(beat, wanted[at], memory[feed["bank"]], pooling=pooling)
                    assert taken.pause or cycle == feed_latency(dut.arch) + at
                    at += 1
                if ctx.get(dut.enable):
                    reads += 1
                    code = memory[feed["bank"]][ctx.get(dut.address)]
                    words = [list(map(int, rng.integers(0, 8, 2))) for _ in range(2)]
                    words[feed["bank"]] = [code & 7, code >> 3]
                await ctx.tick()
                ctx.set(dut.setup, 0)
                cycle += 1
                assert cycle < 20 * (BEATS + len(wanted)), "no end"
            if whole:
                assert reads == sum(beat["address"] is not None for beat in wanted)
                for _ in range(7):
                    assert not ctx.get(port.valid)
                    assert not ctx.get(dut.enable)
                    await ctx.tick()
            else:
                await reset(ctx, rst)

    played(running, bench)


def _compare_beat(beat: Any, wanted: dict[str, Any], memory: list[int], *, pooling: bool) -> None:
    word = 0 if wanted["address"] is None else memory[wanted["address"]]
    codes = beat["word" if pooling else "activations"]
    assert list(codes) == [word & 7, word >> 3]
    names = ("outside", "first", "last") if pooling else ("slot", *FLAGS)
    assert [beat[n] for n in names] == [wanted[n] for n in names]


def weight_feeder_bench(make: Any, simulator: Any) -> None:
    """Fields of planes that are known, of every width, with and without sign."""
    dut, rng = make(), np.random.default_rng(19)
    running, rst = started(dut, simulator)
    arch = dut.arch
    banks = arch.plane_banks
    lanes = arch.rows * arch.port_columns
    planes = rng.integers(0, 1 << lanes, banks * ROWS).tolist()

    async def bench(ctx: Any) -> None:
        for plane in rng.permutation(len(planes)).tolist():
            bits = planes[plane]
            row = {"bank": plane % banks, "row": plane // banks, "bits": bits}
            for valid, payload in ((1, row), (0, row | {"bits": ~bits & (1 << lanes) - 1})):
                ctx.set(dut.load.payload, payload)
                ctx.set(dut.load.valid, valid)
                await ctx.tick()
        chosen = walks(arch, rng, dut, long=simulator is not None)  # then it is fast
        for number, (feed, most) in enumerate(chosen):
            extend = int(rng.integers(2))
            wanted = list(islice(fields_of(feed, arch.fill), 2 * most))
            ctx.set(dut.feed, feed)
            ctx.set(dut.extend, extend)
            taken = _Taken(ctx, dut.fields, rng, 0.0 if number % 2 else 0.4)
            ctx.set(dut.setup, 1)
            cycle = at = 0
            while at < len(wanted):
                fields = taken.look()
                if fields is not None:
                    position, first = wanted[at]
                    assert fields["position"] == position
                    found = _fields(arch, planes, first, feed["weight_width"], extend)
                    assert [list(column) for column in fields["fields"]] == found
                    assert taken.pause or cycle == weight_feed_latency(arch) + at
                    at += 1
                await ctx.tick()
                ctx.set(dut.setup, 0)
                cycle += 1
                assert cycle < 20 * (BEATS + len(wanted)), "no end"
            if len(wanted) < 2 * most:
                for _ in range(5):
                    assert not ctx.get(dut.fields.valid)
                    await ctx.tick()
            else:
                await reset(ctx, rst)

    played(running, bench)


def _fields(arch: Arch, planes: list[int], first: int, width: int, extend: int) -> list[list[int]]:
    """By column and row: the bits of the planes, then the sign or 0."""
    found = []
    for column in range(arch.port_columns):
        fields = []
        for row in range(arch.rows):
            lane = column * arch.rows + row
            bits = [planes[(first + i) % len(planes)] >> lane & 1 for i in range(width)]
            bits += [bits[-1] * extend] * arch.field_width
            fields.append(sum(bit << i for i, bit in enumerate(bits[: arch.field_width])))
        found.append(fields)
    return found
