"""Held feeder: every beat of a walk equals nested loops over the map, under stalls."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.layouts.held import held_feed_layout
from adqhw.rtl.machine.feeder import HeldFeeder
from adqhw.rtl.timing.held_timing import feed_latency
from adqhw.verify.held_feeds import FLAGS, Walk, play, random_walk, taken

WORDS = 4000


def arch(hold: int) -> Arch:
    storage = Storage(activation_words=WORDS, code_width=8)
    return Arch(rows=2, cols=4, hold=hold, fill=2, out_lanes=2, act_width=8, storage=storage)


class Fed(wiring.Component):
    """A feeder with a filled memory."""

    def __init__(self, arch: Arch, words: list[int]) -> None:
        self.feeder = HeldFeeder(arch)
        self.words = words
        super().__init__({"feed": In(held_feed_layout(arch)), "setup": In(1), "pooling": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.feeder = feeder = self.feeder
        self.reads = Signal()
        for bank in range(2):  # bank 1 has the complements
            mask = 0xFFFF * bank
            store = memory.Memory(
                shape=unsigned(16), depth=WORDS, init=[w ^ mask for w in self.words]
            )
            m.submodules[f"bank_{bank}"] = store
            read = store.read_port()
            m.d.comb += [
                read.addr.eq(feeder.address),
                read.en.eq(feeder.enable & (self.feed.bank == bank)),
                feeder.banks[bank].as_value().eq(read.data),
            ]
        m.d.comb += [
            feeder.feed.eq(self.feed),
            feeder.setup.eq(self.setup),
            feeder.pooling.eq(self.pooling),
            self.reads.eq(feeder.enable),
        ]
        return m


def run(hold: int, walks: list[Walk], pause: float, *, pooling: bool = False) -> None:
    """One walk after the other on one feeder."""
    rng = np.random.default_rng(len(walks))
    words = [int(n) for n in rng.integers(0, 1 << 16, WORDS)]
    dut = Fed(arch(hold), words)
    port = dut.feeder.words if pooling else dut.feeder.beats
    reads = []

    async def bench(ctx):
        ctx.set(dut.pooling, int(pooling))
        for walk in walks:
            expected = walk.beats()
            bank = int(rng.integers(0, 2))
            ctx.set(dut.feed, walk.feed(WORDS) | {"bank": bank})
            ctx.set(dut.setup, 1)
            await ctx.tick()
            ctx.set(dut.setup, 0)
            reads.clear()
            found = await taken(
                ctx, port, len(expected), rng, pause, lambda ctx: reads.append(ctx.get(dut.reads))
            )
            for (beat, _), wanted in zip(found, expected, strict=True):
                at = wanted["address"]
                word = 0 if at is None else words[at] ^ 0xFFFF * bank
                codes = [word & 255, word >> 8]
                assert list(beat.word if pooling else beat.activations) == codes, walk
                names = ("outside", "first", "last") if pooling else ("slot", *FLAGS)
                assert [getattr(beat, n) for n in names] == [wanted[n] for n in names], walk
            assert sum(reads) == sum(wanted["address"] is not None for wanted in expected)
            if not pause:
                first = feed_latency(dut.feeder.arch) - 1  # the cycle after setup is 0
                assert [cycle for _, cycle in found] == list(range(first, first + len(found)))
            for _ in range(8):
                assert not ctx.get(port.valid)
                await ctx.tick()

    play(dut, bench)


@pytest.mark.parametrize("hold", [2, 5, 16])
@pytest.mark.parametrize("pause", [0, 0.5])
def test_beats_of_random_walks(hold: int, pause: float):
    rng = np.random.default_rng([hold, int(2 * pause)])
    run(hold, [random_walk(rng, hold=hold, words=WORDS) for _ in range(8)], pause)


def test_maxima_take_all_words_of_a_pixel_one_after_another():
    rng = np.random.default_rng(3)
    run(2, [random_walk(rng, hold=1, words=WORDS, most=600) for _ in range(6)], 0.3, pooling=True)


def test_a_map_of_one_pixel_and_one_beat():
    walk = Walk(
        height=1, width=1, words=1, base=9, kernel=(1, 1), stride=(1, 1), padding=(0, 0, 0, 0),
        first_word=0, channel_blocks=1, blocks=1, block_step=0, hold=2, pad_base=None,
        constant=False,
    )  # fmt: skip
    run(2, [walk, walk], 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_beats_of_many_random_walks(seed: int):
    rng = np.random.default_rng([seed, 99])
    hold = int(rng.integers(2, 33))
    walks = [random_walk(rng, hold=hold, words=WORDS, most=4000) for _ in range(10)]
    run(hold, walks, float(rng.choice([0, 0.1, 0.6])))
