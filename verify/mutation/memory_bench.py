"""The activation memory of an array that holds weights, against arrays: words after every cycle."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.arch.storage import Storage

from ..rtl_streams import played, started

READS, WRITES = ("feed", "read", "job_read"), ("write", "second", "job")
FIELDS = ("banks", "address", "lanes", "filled", "word")
CYCLES = 400


def memory_arch() -> Arch:
    storage = Storage(activation_words=8, code_width=3)
    return Arch(rows=2, cols=2, hold=2, storage=storage, external=External())


@dataclass
class _Model:
    """Words of both banks; what each bank gave last; what each port sees, None: anything."""

    words: np.ndarray
    late: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Codes that are written in the next cycle: bank, address, lane, code."""
    given: list[Any] = field(default_factory=lambda: [None, None])
    seen: dict[str, Any] = field(default_factory=dict)


def memory_bench(make: Any, simulator: Any) -> None:
    """Three reads and three writes, of different banks; words that others read are not promised."""
    dut, rng = make(), np.random.default_rng(8)
    running, _ = started(dut, simulator)
    model = _Model(words=np.zeros((2, 8, 2), np.int64))

    async def bench(ctx: Any) -> None:
        for cycle in range(8 + CYCLES):
            reads = {} if cycle < 8 else _reads(ctx, dut, rng)
            before = model.words.copy()
            for *place, code in model.late:
                model.words[tuple(place)] = code
            model.late = []
            busy = {(bank, address) for bank, address in reads.values()}
            _writes(ctx, dut, rng, model, busy, cycle)
            await ctx.tick()
            for port, (bank, address) in reads.items():
                word = before[bank, address].tolist()
                model.given[bank] = word
                model.seen = {p: (b, w) for p, (b, w) in model.seen.items() if b != bank}
                model.seen[port] = bank, word
            _check(ctx, dut, model)

    played(running, bench)


def _reads(ctx: Any, dut: Any, rng: np.random.Generator) -> dict[str, tuple[int, int]]:
    """At most one read per bank; ports that do not read have anything."""
    free, asked = [0, 1], {}
    for port in rng.permutation(READS).tolist():
        enable = bool(free) and rng.random() < 0.6
        bank, address = int(rng.integers(2)), int(rng.integers(8))
        if enable:
            bank = free.pop(int(rng.integers(len(free))))
            asked[port] = bank, address
        for part, value in (("bank", bank), ("address", address), ("enable", int(enable))):
            ctx.set(getattr(dut, f"{port}_{part}"), value)
    return asked


def _writes(
    ctx: Any, dut: Any, rng: np.random.Generator, model: _Model, busy: set[Any], cycle: int
) -> None:
    """First every word of both banks, then some lanes of words that are not read."""
    free = [0, 1]
    for port in WRITES if cycle < 8 else rng.permutation(WRITES).tolist():
        address, chosen = int(rng.integers(8)), []
        banks, lanes, filled = (int(n) for n in rng.integers(0, 4, 3))
        if cycle < 8:
            address, chosen = cycle, [0, 1] if port == "write" else []
            lanes |= 3 * bool(chosen)
        elif rng.random() < 0.6:
            chosen = [bank for bank in free if rng.random() < 0.6 and (bank, address) not in busy]
        if chosen:
            free = [bank for bank in free if bank not in chosen]
            banks = sum(1 << bank for bank in chosen)
            lanes = max(1, lanes) if port == "second" else lanes
        elif port == "job":
            banks = 0
        elif port == "second" or rng.random() < 0.5:  # without a code nothing is written
            lanes, filled = 0, filled if port == "second" else 0
        else:
            banks = 0
        codes = rng.integers(0, 8, 2).tolist()
        fields = dict(zip(FIELDS, (banks, address, lanes, filled, codes), strict=True))
        ctx.set(getattr(dut, port), fields)
        written = lanes if port == "job" else lanes | filled
        for bank in chosen:
            for lane in range(2):
                if written >> lane & 1:
                    model.late.append((bank, address, lane, codes[lane]))


def _check(ctx: Any, dut: Any, model: _Model) -> None:
    for bank, word in enumerate(model.given):
        assert word is None or list(ctx.get(dut.words)[bank]) == word
    for port, (_, word) in model.seen.items():
        if port == "job_read":
            assert list(ctx.get(getattr(dut, f"{port}_word"))) == word, port
