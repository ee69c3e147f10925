"""The sequencer, cycle by cycle: fetch, codebook, begin, run, record, counters."""

import numpy as np
from amaranth.sim import Simulator

from ..rtl_streams import played

PASSES = (
    {"codebook_base": 2, "codebook_count": 3, "final": 0},
    {"codebook_base": 0, "codebook_count": 0, "final": 0},
    {"codebook_base": 9, "codebook_count": 4, "final": 0},
    {"codebook_base": 12, "codebook_count": 1, "final": 1},
)
LEVELS = [0, 3, -4, 1, -1, 2, -2, -3, 3, 0, -4, 2, 1, -3, 2, -1]


def run_sequencer(make, simulator) -> None:
    """Either accelerator's: two runs of four passes, then one whose first pass is the final one.

    The words of the second run are the complements of the first: every bit is once 0, once 1.
    """
    dut = make()
    rng = np.random.default_rng(11)
    width = len(dut.descriptor.as_value())
    ones = (1 << width) - 1
    words = [int.from_bytes(rng.bytes(width // 8 + 1), "little") & ones for _ in PASSES]

    async def bench(ctx):
        await _idle(ctx, dut, rng)
        for row, level in enumerate(LEVELS):
            await _load(ctx, dut.codebook_load, {"row": row, "level": level})
        for lengths, flipped in (([3, 1, 40, 2], 0), ([1, 2, 1, 140], ones), ([2], 0)):
            passes = [dict(fields) for fields in PASSES]
            passes[len(lengths) - 1]["final"] = 1
            results = []
            for row, fields in enumerate(passes):
                whole = _descriptor(dut, words[row] ^ flipped, fields)
                results.append(whole)
                await _load_bits(ctx, dut, row, whole)
            await _check_run(ctx, dut, rng, passes, results, lengths)

    sim = (simulator or Simulator)(dut)
    played(sim, bench)


async def _idle(ctx, dut, rng):
    """Nothing happens before `start`, whatever the other inputs."""
    for _ in range(3):
        ctx.set(dut.finished, 1)
        ctx.set(dut.events, int(rng.integers(16)))
        quiet = [
            ctx.get(s) for s in (dut.busy, dut.done, dut.setup, dut.record, dut.codebook.valid)
        ]
        assert quiet == [0] * 5
        assert ctx.get(dut.counters.as_value()) == 0
        await ctx.tick()


def _descriptor(dut, word: int, fields: dict) -> int:
    """Random bits with the fields that the sequencer itself reads."""
    layout = dut.descriptor.shape()
    for name, value in fields.items():
        entry = layout[name]
        word = word & ~(((1 << entry.width) - 1) << entry.offset) | value << entry.offset
    return word


async def _load(ctx, port, payload):
    ctx.set(port.payload, payload)
    ctx.set(port.valid, 1)
    await ctx.tick()
    ctx.set(port.valid, 0)


async def _load_bits(ctx, dut, row: int, word: int):
    port = dut.pass_load
    ctx.set(port.payload.as_value(), word << dut.number_width | row)
    ctx.set(port.valid, 1)
    await ctx.tick()
    ctx.set(port.valid, 0)
    # not valid: no bit of it must be written
    other = word ^ ((1 << len(dut.descriptor.as_value())) - 1)
    ctx.set(port.payload.as_value(), other << dut.number_width | row)
    await ctx.tick()


async def _check_run(ctx, dut, rng, passes, words, lengths):
    """One start; `lengths`: cycles of each pass from its begin to `finished`."""
    ctx.set(dut.start, 1)
    done_before = ctx.get(dut.done)
    await _cycle(ctx, dut, rng, [0, done_before, 0, 0, 0], None)
    counters = [0] * (1 + len(dut.events))
    lead = dut.overhead - 3  # cycles until the codebook is loaded
    registered = dut.arch.holds  # its levels
    recorded = None  # (pass, counters) to be seen in the first cycle of the next fetch
    for number, (fields, word, length) in enumerate(zip(passes, words, lengths, strict=False)):
        count = fields["codebook_count"]
        for step in range(lead + count + 1 + 1 + length):
            begin = step == lead + 1 + count
            running = step > lead + 1 + count
            at = step - lead - 1 - registered
            level = 0 <= at < count
            last = step == lead + 1 + count + length
            ctx.set(dut.finished, int(last or not running))
            flags = [1, 0, int(begin), int(recorded is not None), int(level)]
            if level:
                want = LEVELS[fields["codebook_base"] + at]
                assert ctx.get(dut.codebook.payload.code) == at
                assert ctx.get(dut.codebook.payload.level) == want
            if begin or running:
                assert ctx.get(dut.descriptor.as_value()) == word
            _recorded(ctx, dut, recorded)
            recorded = None
            await _cycle(ctx, dut, rng, flags, counters)
        recorded = number
    for step in range(3):
        _recorded(ctx, dut, recorded if step == 0 else None)
        await _cycle(ctx, dut, rng, [0, 1, 0, int(step == 0), 0], counters, counting=False)


def _recorded(ctx, dut, number):
    if number is not None:
        assert ctx.get(dut.ended) == number


async def _cycle(ctx, dut, rng, flags, counters, *, counting=True):
    """Compare the flags and counters of this cycle, play random events, go on."""
    events = int(rng.integers(1 << len(dut.events)))
    ctx.set(dut.events, events)
    seen = [ctx.get(s) for s in (dut.busy, dut.done, dut.setup, dut.record, dut.codebook.valid)]
    assert seen == flags, (seen, flags)
    if counters is not None:
        names = dut.counters.shape().members
        assert [ctx.get(getattr(dut.counters, n)) for n in names] == counters
    await ctx.tick()
    ctx.set(dut.start, 0)
    if counters is not None and counting:
        wrap = 1 << len(dut.counters.cycles)
        counters[0] = (counters[0] + 1) % wrap
        for bit in range(len(dut.events)):
            counters[1 + bit] = (counters[1 + bit] + (events >> bit & 1)) % wrap
