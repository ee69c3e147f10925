"""The lookup-MACs' bench: all products, random sums, codebook and stored levels, stalls, layers."""

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.lookup_mac import LookupMac
from adqhw.rtl.lanes.product_table import ProductTableColumn
from adqhw.rtl.lanes.shift_add import ShiftAddColumn
from adqhw.rtl.timing.schedule import schedule_word
from adqhw.rtl.timing.timing import column_latency

from ..rtl_streams import played, simulate, started

PRESSURES = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.6))
LIMIT = 400
"""Cycles of a layer."""
LEVELS: tuple[int, ...] = (0, 1, -16, 15, -7, 9, -3, 5)
ALL = tuple(range(-16, 16))
"""Of the first codebook; to choose the others from."""
SHIFT_LEVELS: tuple[int, ...] = (0, 1, 5, -8, 10, -1, -5, 8)
SHIFT_ALL = (1, 2, 4, 8, -1, -2, -4, -8, -16, 5, 10, -5, -10)
"""The same for shifts: powers of two and 5 times powers of two."""


def mac_arch(micro: str) -> Arch:
    return Arch(
        rows=2, cols=2, micro=micro, channels=4, act_width=3, weight_width=3, level_width=5,
        acc_width=12, bin_width=6,
    )  # fmt: skip


def _shifts(a: Arch) -> bool:
    """Whether the lanes take powers of two and their multiples by one factor only."""
    return a.lanes.column is ShiftAddColumn


def mac_bench(micro: str, make, simulator) -> None:
    """All pairs of level and activation, random sums, codebook and stored levels, stalls, hold."""
    a = mac_arch(micro)
    book = SHIFT_LEVELS if _shifts(a) else LEVELS
    every = SHIFT_ALL if _shifts(a) else ALL
    rng = np.random.default_rng(3)
    for number, (idle, pause) in enumerate((*PRESSURES, *PRESSURES)):
        if number > 1:
            others = rng.permutation([v for v in every if v])[:6]
            # one more level is 0 (POST's "minus zero", codes without a level)
            book = (0, *(int(v) for v in rng.permutation([*others, 0])))
        bypass, depth = number % 2 == 1, (1, 3, 2, 4, 1, 2, 5, 1)[number]
        bypass |= a.lanes.stores_levels
        acts = rng.integers(0, 8, (24, depth, 2))
        if depth == 1:  # every activation with every level in every lane
            acts = np.arange(64).reshape(-1, 1, 1) % 8 + np.zeros((1, 1, 2), np.int64)
        chosen = rng.integers(-16, 16, (len(acts), depth, 2, 2))
        codes = rng.integers(0, 8, chosen.shape)
        if depth == 1:
            codes[:, 0] = (np.arange(64)[:, None, None] // 8 + np.arange(4).reshape(2, 2)) % 8
            chosen[:, 0] = (
                np.arange(64)[:, None, None] // 2 + 8 * np.arange(4).reshape(2, 2)
            ) % 32 - 16
        chosen[1, :, 0, 0] = codes[1, :, 0, 0] = 0
        levels = chosen if bypass else np.array(book)[codes]
        fields = chosen & ((1 << a.field_width) - 1) if bypass else codes
        _mac_run(
            a, make, simulator, acts, fields, levels, None if bypass else book,
            idle=idle, pause=pause, hold=0.3 if number > 4 else 0.0,
        )  # fmt: skip
    if not a.lanes.stores_levels:
        _layers(micro, make, simulator)


def _layers(micro: str, make, simulator) -> None:
    """One array, layer after layer: state of an earlier one must have no effect."""
    a, dut, rng = mac_arch(micro), make(), np.random.default_rng(4)
    running, _ = started(dut, simulator)
    got: list[list[int]] = []
    want: list[list[int]] = []

    async def play(ctx, beats):
        ctx.set(dut.sums.ready, 1)
        for _ in range(LIMIT):
            offered = bool(beats)
            ctx.set(dut.beats.valid, int(offered))
            if offered:
                ctx.set(dut.beats.payload, beats[0])
            if offered and ctx.get(dut.beats.ready):
                beats.pop(0)
            if ctx.get(dut.sums.valid):
                got.append(list(ctx.get(dut.sums.payload).acc))
            await ctx.tick()
            if not offered and len(got) == len(want):
                return
        raise AssertionError(f"no end after {LIMIT} cycles")

    async def bench(ctx):
        for layer in range(24):
            bypass, book = layer % 2, None
            if not bypass:
                book = _random_book(a, rng)
            for code in rng.permutation(len(book or ())):  # a wrong write must not be mended later
                await _codebook(ctx, dut, int(code), book[code])
            mac = LookupMac(arch=a, act_width=a.act_width, codebook=book, level_width=a.level_width)
            await _configure(ctx, dut, bypass, schedule_word(a, mac.schedule))
            # The second sum is the largest its bins hold: one weight per lane, full activations.
            acts, levels = rng.integers(0, 8, (2, 9, 2)), rng.integers(-16, 16, (2, 9, 2, 2))
            acts[1], levels[1] = 7, levels[1, 0]
            fields = levels & ((1 << a.field_width) - 1)
            if book is not None:
                fields = rng.integers(0, 8, levels.shape)
                fields[1] = fields[1, 0]
                levels = np.array(book)[fields]
            want.extend(np.einsum("gdr,gdcr->gc", acts, levels).tolist())
            await play(ctx, _beats(acts, fields))
        assert got == want

    played(running, bench)


def _random_book(a: Arch, rng) -> tuple[int, ...]:
    """Levels, some of them 0; of shifts, powers of two times 1 or one odd factor."""
    levels = list(ALL)
    if _shifts(a):
        factor = int(rng.choice([3, 5, 7, 9, 11, 13, 15]))
        both = [c << s for c in (1, factor) for s in range(5)]
        levels = [0, *(v for v in (*both, *(-v for v in both)) if -16 <= v < 16)]
    return (0, *(int(v) for v in rng.choice(levels, 7)))


async def _codebook(ctx, dut, code: int, level: int):
    ctx.set(dut.codebook.payload, {"code": code, "level": level})
    ctx.set(dut.codebook.valid, 1)
    await ctx.tick()
    ctx.set(dut.codebook.valid, 0)
    ctx.set(dut.codebook.payload, {"code": code, "level": -1 - level})  # not valid: not written
    await ctx.tick()


async def _configure(ctx, dut, bypass: int, word: dict):
    ctx.set(dut.bypass, bypass)
    if word:
        ctx.set(dut.work, word)
        ctx.set(dut.configured, 1)
        await ctx.tick()
        ctx.set(dut.configured, 0)


def _beats(acts, fields) -> list[dict]:
    """Beats of sums (groups, depth, rows) with their fields (groups, depth, cols, rows)."""
    groups, depth = acts.shape[:2]
    return [
        {
            "activations": acts[g, d].tolist(), "weights": fields[g, d].tolist(),
            "channel": g % 4, "first": int(d == 0), "last": int(d == depth - 1),
        }
        for g in range(groups) for d in range(depth)
    ]  # fmt: skip


def _mac_run(a, make, simulator, acts, fields, levels, book, *, idle, pause, hold) -> None:
    depth = acts.shape[1]
    mac = LookupMac(arch=a, act_width=a.act_width, codebook=book, level_width=a.level_width)
    word = schedule_word(a, mac.schedule)
    beats = _beats(acts, fields)
    # Loaded twice: the first content must not remain.
    entries = [(i, -1 - i) for i in range(8)] if not _shifts(a) else []
    entries += list(enumerate(book or LEVELS))
    gate = _Gates(a, beats) if simulator else None
    trace = simulate(
        make(), {"beats": beats}, {"sums": len(acts)}, probe=gate and gate.look,
        loads=[("codebook", {"code": i, "level": level}) for i, level in entries],
        constants={"bypass": int(book is None)} | ({"work": word} if word else {}),
        idle=idle, pause=pause, holds=hold, simulator=simulator,
    )  # fmt: skip
    want = np.einsum("gdr,gdcr->gc", acts, levels)
    assert [list(v.acc) for v in trace.values("sums")] == want.tolist()
    assert [v.channel for v in trace.values("sums")] == [g % 4 for g in range(len(acts))]
    if not (idle or pause or hold):
        last = trace.accepted["beats"][depth - 1 :: depth]
        late = column_latency(a, mac.schedule)
        assert trace.cycles("sums") == [cycle + late for cycle in last]
        start, every = last[0], mac.schedule.group_cycles(depth)
        assert last == [start + every * g for g in range(len(acts))]


class _Gates:
    """A lane's own operand register holds while the lane is gated: seen in the netlist, by name.

    It holds the activation, where a product table shares the activations, the weight.

    On the unit itself the same is checked by test_a_zero_code_gates_its_lane.
    """

    def __init__(self, a: Arch, beats: list[dict]) -> None:
        shared = a.lanes.column is ProductTableColumn
        self.name = "field" if shared else "operand"
        self.kept = {
            (col, row): [0]
            + [
                b["weights"][col][row] if shared else b["activations"][row]
                for b in beats
                if b["weights"][col][row]
            ]
            for row in range(a.rows)
            for col in range(a.cols)
        }
        self.at = dict.fromkeys(self.kept, 0)

    def look(self, ctx) -> None:
        for (col, row), line in self.kept.items():
            value = ctx.peek(f"column_{col} {self.name}_{row}")
            while value != line[self.at[col, row]]:
                self.at[col, row] += 1
                assert self.at[col, row] < len(line), "a gated operand register moved"
