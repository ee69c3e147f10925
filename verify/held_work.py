"""Random work for arrays that hold weights, its sums, and their handshakes cycle by cycle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.lookup_mac import LookupMac
from adqhw.rtl.lanes.shift_add import ShiftAdd
from adqhw.rtl.timing.schedule import schedule_word
from adqhw.spec.formats import Int64Array

from .rtl_streams import Trace, simulate

LEVELS = (0, 1, 5, 31, 127, -1, -9, -128)
SHIFTS = (0, 1, 5, 40, 64, -1, -10, -128)
"""The same for `shift_add`: powers of two, and 5 times powers of two."""


def book_of(a: Arch) -> Int64Array:
    """Level by code, of 3 bits; as far as `level_width` has them."""
    levels = np.array(SHIFTS if a.micro == ShiftAdd.name else LEVELS)
    half = 1 << (a.level_width - 1)
    return np.where((levels < -half) | (levels >= half), levels % half, levels)


@dataclass(frozen=True, kw_only=True)
class Work:
    """Groups for an array; by group: activations (depth, pixels, rows), codes (depth, cols, rows),
    and for each position whether the word is read (else it is that of the position before)."""

    arch: Arch
    activations: list[Int64Array]
    codes: list[Int64Array]
    read: list[list[bool]]
    bypass: bool = False
    levels: tuple[int, ...] = ()
    """Of the codebook; none: those of `book_of`."""

    @property
    def book(self) -> Int64Array:
        return np.array(self.levels) if self.levels else book_of(self.arch)

    @property
    def mac(self) -> LookupMac:
        book = None if self.bypass or self.arch.lanes.stores_levels else tuple(self.book.tolist())
        return LookupMac(
            arch=self.arch, act_width=self.arch.act_width, codebook=book,
            level_width=self.arch.level_width,
        )  # fmt: skip

    @property
    def sums(self) -> list[Int64Array]:
        """By group: (pixels, cols) modulo 2^acc_width."""
        half = 1 << (self.arch.acc_width - 1)
        plain = [
            np.einsum("dpr,dcr->pc", acts, self.book[codes])
            for acts, codes in zip(self.activations, self.codes, strict=True)
        ]
        return [(sums + half) % (2 * half) - half for sums in plain]

    @property
    def beats(self) -> list[dict[str, Any]]:
        return [
            {
                "activations": acts[d, p].tolist(),
                "slot": p,
                "word": int(p == 0 and read[d]),
                "first": int(d == 0),
                "last": int(d == len(acts) - 1),
                "opens": int(d == p == 0),
                "closes": int((d, p) == (len(acts) - 1, acts.shape[1] - 1)),
            }
            for acts, read in zip(self.activations, self.read, strict=True)
            for d in range(len(acts))
            for p in range(acts.shape[1])
        ]

    @property
    def fields(self) -> list[dict[str, Any]]:
        ports, a = self.arch.port_columns, self.arch
        stored = self.bypass or a.lanes.stores_levels
        entered = []
        for codes, read in zip(self.codes, self.read, strict=True):
            fields = self.book[codes] & ((1 << a.field_width) - 1) if stored else codes
            entered += [
                {"position": i, "fields": fields[d, i * ports : (i + 1) * ports].tolist()}
                for d in range(len(codes))
                if read[d]
                for i in range(a.fill)
            ]
        return entered


def random_work(
    a: Arch, rng: np.random.Generator, groups: int, *, depth: int, bypass: bool = False
) -> Work:
    """Groups of 1..hold pixels and 1..depth positions."""
    activations, codes, read = [], [], []
    latest = None
    for _ in range(groups):
        pixels, words = rng.integers(1, a.hold + 1), rng.integers(1, depth + 1)
        activations.append(rng.integers(0, 1 << a.act_width, (words, pixels, a.rows)))
        fresh = [bool(rng.random() < 0.7) or latest is None for _ in range(words)]
        rows: list[Int64Array] = []
        for new in fresh:
            if new or latest is None:
                drawn = rng.integers(0, len(LEVELS), (a.cols, a.rows))
                latest = drawn * rng.integers(0, 2, drawn.shape)
                fresh[len(rows)] = True
            rows.append(latest)
        codes.append(np.array(rows))
        read.append(fresh)
    return Work(arch=a, activations=activations, codes=codes, read=read, bypass=bypass)


def run(
    dut: Any, work: Work, probe: Callable[[Any], None] | None = None, **pressure: Any
) -> tuple[Trace, list[list[list[int]]]]:
    """Play the work; the trace and, by group as it is taken, the sums of its slots.

    All slots are read when a group is offered and when it is taken: they must not change between.
    """
    schedule = schedule_word(work.arch, work.mac.schedule)
    offered: list[list[list[int]]] = []
    current: list[list[int]] | None = None

    def watch(ctx: Any) -> None:
        nonlocal current
        taken = ctx.get(dut.groups.valid) and ctx.get(dut.groups.ready)
        if taken or (ctx.get(dut.groups.valid) and current is None):
            sums = []
            for slot in range(ctx.get(dut.groups.payload.count)):
                ctx.set(dut.slot, slot)
                sums.append(list(ctx.get(dut.accs)))
            assert current is None or sums == current, "sums changed while offered"
            current = sums
        if taken:
            offered.append(sums)
            current = None
        if probe is not None:
            probe(ctx)

    levels = enumerate(work.book.tolist())
    trace = simulate(
        dut,
        {"fields": work.fields, "beats": work.beats},
        {"groups": len(work.activations)},
        loads=[("codebook", {"code": code, "level": level}) for code, level in levels],
        constants={"bypass": int(work.bypass)} | ({"work": schedule} if schedule else {}),
        probe=watch,
        **pressure,
    )
    return trace, offered


class Handshakes:
    """What the array may accept, from what it accepted: checks ready and stalls in every cycle."""

    def __init__(self, dut: Any, work: Work) -> None:
        self.dut, self.fill = dut, work.arch.fill
        self.building = work.arch.lanes.build_cycles(work.arch)  # of tables, from the last load on
        self.beat_cycles = work.mac.schedule.beat_cycles
        self.position = self.banks = self.busy = 0
        self.full = False
        self.stalls = {"words": 0, "sums": 0}

    def __call__(self, ctx: Any) -> None:
        dut, beat = self.dut, self.dut.beats
        flags = {name: ctx.get(beat.payload[name]) for name in ("word", "opens")}
        waits_bank = bool(flags["opens"]) and self.banks == 2
        waits_word = bool(flags["word"]) and not self.full
        built = self.building == 0
        self.building = max(0, self.building - 1)
        free = self.busy <= 1 and built
        assert ctx.get(beat.ready) == (free and not waits_bank and not waits_word)
        assert ctx.get(dut.fields.ready) == (not self.full)
        offered = ctx.get(beat.valid) and free
        stalls = {"sums": offered and waits_bank}
        stalls["words"] = offered and waits_word and not waits_bank
        for name, stalled in stalls.items():
            assert ctx.get(dut.stalls[name]) == stalled, name
            self.stalls[name] += stalled
        accepted = offered and not waits_bank and not waits_word
        self.busy = self.beat_cycles if accepted else max(0, self.busy - 1)
        entered = ctx.get(dut.fields.valid) and not self.full
        self.full &= not (accepted and flags["word"])
        if entered:
            self.position = (self.position + 1) % self.fill
            self.full = self.position == 0
        read = ctx.get(dut.groups.valid) and ctx.get(dut.groups.ready)
        self.banks += (accepted and flags["opens"]) - read
