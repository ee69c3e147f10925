"""Weight feeder: fields of every word for every group, in order, as early as stated."""

import numpy as np
import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.machine.weight_feeder import WeightFeeder
from adqhw.rtl.timing.held_timing import refill_cycles, weight_feed_latency
from adqhw.verify.held_feeds import Walk, play, random_walk, taken


def arch(fill: int) -> Arch:
    return Arch(
        rows=2, cols=4, hold=4, fill=fill, weight_width=4, level_width=8,
        storage=Storage(weight_rows=128),
    )  # fmt: skip


def run(fill: int, walks: list[Walk], pause: float, extend: bool) -> None:
    """One walk after the other on one feeder."""
    rng = np.random.default_rng(fill)
    dut = WeightFeeder(arch(fill))
    lanes = 2 * dut.arch.port_columns
    planes = rng.integers(0, 1 << lanes, 8 * 128)

    def field(first: int, width: int, lane: int) -> int:
        bits = [int(planes[(first + i) % len(planes)]) >> lane & 1 for i in range(width)]
        bits += [bits[-1] * extend] * (8 - width)
        return sum(bit << i for i, bit in enumerate(bits))

    async def bench(ctx):
        ctx.set(dut.extend, int(extend))
        ctx.set(dut.load.valid, 1)
        for plane, bits in enumerate(planes):
            row = {"bank": plane % 8, "row": plane // 8, "bits": int(bits)}
            ctx.set(dut.load.payload, row)
            await ctx.tick()
        ctx.set(dut.load.valid, 0)
        for walk in walks:
            expected = walk.fields(fill)
            ctx.set(dut.feed, walk.feed(1024))
            ctx.set(dut.setup, 1)
            await ctx.tick()
            ctx.set(dut.setup, 0)
            found = await taken(ctx, dut.fields, len(expected), rng, pause)
            for (entry, _), (position, first) in zip(found, expected, strict=True):
                assert entry.position == position, walk
                wanted = [
                    [field(first, walk.weight_width, 2 * c + r) for r in range(2)]
                    for c in range(dut.arch.port_columns)
                ]
                assert [list(column) for column in entry.fields] == wanted, walk
            if not pause:
                begin = weight_feed_latency(dut.arch) - 1  # the cycle after setup is 0
                assert [cycle for _, cycle in found] == list(range(begin, begin + len(found)))
            for _ in range(6):
                assert not ctx.get(dut.fields.valid)
                await ctx.tick()

    play(dut, bench)


@pytest.mark.parametrize("fill", [1, 2, 4])
@pytest.mark.parametrize(("pause", "extend"), [(0, False), (0.5, True)])
def test_fields_of_random_walks(fill: int, pause: float, extend: bool):
    rng = np.random.default_rng([fill, extend])
    walks = []
    while len(walks) < 4:
        walk = random_walk(rng, hold=4, words=1024, most=800)
        if len(walk.fields(fill)) < 600:
            walks.append(walk)
    run(fill, walks, pause, extend)


@pytest.mark.parametrize("fill", [1, 4])
def test_a_station_that_is_freed_is_full_after_as_many_cycles_as_stated(fill: int):
    rng = np.random.default_rng(fill)
    walk = random_walk(rng, hold=4, words=1024, most=800)
    dut = WeightFeeder(arch(fill))
    words = min(40, len(walk.fields(fill)) // fill)

    async def bench(ctx):
        ctx.set(dut.feed, walk.feed(1024))
        ctx.set(dut.setup, 1)
        await ctx.tick()
        ctx.set(dut.setup, 0)
        await ctx.tick().repeat(weight_feed_latency(dut.arch))
        for _ in range(words):
            ctx.set(dut.fields.ready, 0)
            await ctx.tick().repeat(int(rng.integers(1, 5)))
            ctx.set(dut.fields.ready, 1)  # freed in this cycle
            for cycle in range(refill_cycles(dut.arch)):
                assert ctx.get(dut.fields.valid)
                assert ctx.get(dut.fields.payload.position) == cycle % fill
                await ctx.tick()

    assert words > 3
    play(dut, bench)
