"""Benches of the output stages of the first accelerator, and the bench of the reset.

Small widths, corners, stalls, reloads."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.layouts.ports import flat_ports
from adqhw.rtl.layouts.words import config_word, requant_words, threshold_words
from adqhw.spec import IntFormat, Requant, Threshold
from adqhw.spec.formats import Int64Array

from ..rtl_streams import played, simulate, started
from .mac_bench import PRESSURES

Simulate = Callable[..., Any]


def ints(*values: Any) -> Int64Array:
    return np.array(values, np.int64)


def threshold_arch() -> Arch:
    return Arch(rows=1, cols=1, channels=4, acc_width=6, threshold_width=2)


def threshold_bench(make, simulator) -> None:
    """Every 6-bit sum in all four channels, both signs; rows loaded anew between the runs."""
    tables = (
        (ints([-32, 0, 32], [-31, 1, 33], [5, 5, 5], [-64, -64, 63]), ints(1, -1, -1, 1)),
        (ints([-12, 3, 9], [-1, 0, 1], [-30, -17, 31], [2, 21, 22]), ints(-1, 1, 1, -1)),
    )
    rng = np.random.default_rng(2)
    every = np.array([range(-32, 32)] * 4)
    for number, (idle, pause) in enumerate((*PRESSURES, *[(0.0, 0.0)] * 4)):
        tau, sign = tables[number % 2]
        if number >= 4:  # all bits of the rows differ from each other somewhere
            tau = np.sort(rng.integers(-64, 64, (4, 3)), axis=1)
        spec = Threshold(tau=tau, sign=sign)
        # Channels in runs (the row stays), or every sum of every channel in any order.
        mixed = rng.permutation(256) if number != 3 else np.arange(256)
        order, accs = (np.arange(4).repeat(64))[mixed], every.ravel()[mixed]
        want = spec.apply(every[None])[0].ravel()[mixed]
        loads = [("parameters", w) for w in threshold_words(threshold_arch(), spec, 4)]
        other = Threshold(tau=ints([7, 8, 9]), sign=ints(-1))
        stale = [("parameters", w) for w in threshold_words(threshold_arch(), other, 4)]
        dut = make()
        reads = _Reads(dut, simulator)
        trace = simulate(
            dut, {"accs": _accs(accs, order)}, {"codes": len(accs)}, probe=reads.look,
            loads=[*stale, *loads], idle=idle, pause=pause, simulator=simulator,
        )  # fmt: skip
        assert trace.values("codes") == want.tolist()
        assert reads.count == 1 + np.count_nonzero(np.diff(order))
        if (idle, pause) == (0.0, 0.0):
            assert trace.accepted["accs"] == list(range(256))
            assert trace.cycles("codes") == list(range(3, 259))
    _reload(make, simulator, "thresholds")
    _capacity(make, simulator, 3)


class _Reads:
    """Counts reads of the parameter memory: one that stays is read once (cost model)."""

    def __init__(self, dut, simulator) -> None:
        self.dut, self.inside, self.count = dut, simulator is not None, 0

    def look(self, ctx) -> None:
        name = "reading"
        self.count += ctx.peek(name) if self.inside else ctx.get(self.dut.registers[name])


def _capacity(make, simulator, stages: int) -> None:
    """An empty unit fills its stages although no code is accepted."""
    dut, seen = make(), []
    running, _ = started(dut, simulator)

    async def bench(ctx):
        ctx.set(dut.accs.valid, 1)
        for _ in range(stages + 3):
            seen.append(ctx.get(dut.accs.ready))
            await ctx.tick()

    played(running, bench)
    assert seen == [1] * stages + [0] * 3


def _accs(values, channels) -> list[dict]:
    return [{"acc": int(v), "channel": int(c)} for v, c in zip(values, channels, strict=True)]


def _reload(make, simulator, kind: str) -> None:
    """A row loaded while its channel's row is in the output register counts from then on."""
    if kind == "thresholds":
        a = threshold_arch()
        rows = [
            threshold_words(
                a, Threshold(tau=ints(*[[t, t + 1, t + 2]] * 4), sign=ints(1, 1, 1, 1)), 4
            )
            for t in (0, 9)
        ]
        constants, value, codes = {}, 10, [3, 2]
    else:
        a = requant_arch()
        specs = [
            Requant(
                multiplier=ints(m, m, m, m),
                bias=ints(m, m, m, m),
                shift=0,
                out=IntFormat.parse("s8"),
            )
            for m in (3, -5)
        ]
        rows = [requant_words(a, spec, 4) for spec in specs]
        constants, value = requant_constants(specs[0], skip=False), 7
        codes = [int(s.apply(np.array([[[7]] * 4]))[0][0, 0]) for s in specs]
    for channel in (2, 3):
        loads = [("parameters", word) for word in rows[0]]
        again = ("parameters", rows[1][channel])
        feed = _accs([value] * 6, [channel] * 6)
        trace = simulate(
            make(), {"accs": feed}, {"codes": 6}, loads=loads, constants=constants,
            later={3: again}, simulator=simulator,
        )  # fmt: skip
        seen = trace.values("codes")
        assert seen[:3] == [codes[0]] * 3  # accepted before the load
        assert seen[4:] == [codes[1]] * 2  # accepted after it


def requant_arch() -> Arch:
    widths = RequantWidths(
        multiplier_width=5, bias_width=10, shift_max=5, skip_multiplier_width=4, skip_width=6
    )
    return Arch(
        rows=1, cols=1, channels=4, acc_width=8, threshold_width=1, out_width=9, requant=widths
    )


def requant_constants(spec: Requant, *, skip: bool) -> dict[str, int]:
    config = config_word(spec, skip=skip)
    names = ("shift", "skip_multiplier", "out_min", "out_max")
    return {name: config[name] for name in names} | {"use_skip": int(skip)}


def requant_bench(make, simulator) -> None:
    """Extremes and random numbers at every shift and output format, with and without residuals."""
    rng = np.random.default_rng(7)
    formats = ("u8", "s8", "u4", "s9", "u1", "s4", "u8", "s9")
    for number, out in enumerate((*formats, *["s9", "u8"] * 6)):
        skip = number % 2 == 0 or number == 7
        idle, pause = PRESSURES[number % 4] if number < 8 else (0.0, 0.0)
        spec = Requant(
            multiplier=ints(-16, 15, *rng.integers(-16, 16, 2)),
            bias=ints(511, -512, *rng.integers(-512, 512, 2)),
            shift=number % 6,
            out=IntFormat.parse(out),
            skip_multiplier=[-8, 0, 7, 0, 3, 0, -5, 6][number % 8] if skip else 0,
        )
        accs = np.concatenate(
            [[[-128, 127, 0, -1]] * 4, rng.integers(-128, 128, (4, 26)), [[127, -128]] * 4], axis=1
        )
        skips = rng.integers(-32, 32, accs.shape)
        skips[:, :4] = [-32, 31, 0, -1]
        order = rng.permutation(accs.size)
        want = spec.apply(accs[None], skips[None] if skip else None)[0].ravel()[order].tolist()
        channels = np.arange(4).repeat(accs.shape[1])[order]
        feeds = {"accs": _accs(accs.ravel()[order], channels)}
        feeds["skips"] = skips.ravel()[order].tolist()
        if number == 5:
            del feeds["skips"]
        dut = make()
        reads = _Reads(dut, simulator)
        trace = simulate(
            dut, feeds, {"codes": len(want)}, probe=reads.look,
            loads=[("parameters", w) for w in requant_words(requant_arch(), spec, 4)],
            constants=requant_constants(spec, skip=skip),
            idle=idle, pause=pause, simulator=simulator,
        )  # fmt: skip
        assert trace.values("codes") == want
        assert reads.count == 1 + np.count_nonzero(np.diff(channels))
        if number in (1, 3):  # residual codes were on offer but not wanted
            assert trace.accepted["skips"] == []
        if (idle, pause) == (0.0, 0.0):
            assert trace.accepted["accs"][:9] == list(range(9))
            assert trace.cycles("codes") == [c + 5 for c in trace.accepted["accs"][: len(want)]]
    _other_limits(make, simulator)
    _reload(make, simulator, "requants")
    _capacity(make, simulator, 5)


def _other_limits(make, simulator) -> None:
    """Limits that no format has: both above 0, both below."""
    spec = Requant(multiplier=ints(1), bias=ints(0), shift=0, out=IntFormat.parse("s9"))
    accs = np.arange(-128, 128)
    for low, high in ((5, 100), (-90, -3)):
        constants = requant_constants(spec, skip=False) | {"out_min": low, "out_max": high}
        trace = simulate(
            make(), {"accs": _accs(accs, accs % 4)}, {"codes": 256}, constants=constants,
            loads=[("parameters", w) for w in requant_words(requant_arch(), spec, 4)],
            simulator=simulator,
        )  # fmt: skip
        assert trace.values("codes") == np.clip(accs, low, high).tolist()


def sequencer_arch() -> Arch:
    storage = Storage(
        activation_words=4,
        weight_rows=2,
        threshold_rows=2,
        requant_rows=2,
        codebook_rows=16,
        passes=4,
    )
    return replace(
        Arch(rows=1, cols=1, channels=2, weight_width=2, level_width=3, act_width=2, acc_width=6,
             threshold_width=1, out_width=4),
        storage=storage,
        requant=RequantWidths(
            multiplier_width=2, bias_width=2, shift_max=1, skip_multiplier_width=2, skip_width=2
        ),
    )  # fmt: skip


def reset_bench(make, simulator, kept: str = "") -> None:
    """Reset brings back the state of power-up: the same inputs then give the same outputs."""
    records: list[list] = []
    for noise in (0, 41, 54, 60, 67, 76):  # in the middle of different things
        record: list = []
        records.append(record)
        dut, rng = make(), np.random.default_rng(5)
        ports = flat_ports(dut)
        # Memories keep their rows, so none is loaded.
        inputs = [s for n, (s, d) in ports.items() if d.value == "input" and "load" not in n
                  and "parameters" not in n]  # fmt: skip
        shown = tuple(kept.split())
        outputs = [s for n, (s, d) in ports.items()
                   if d.value == "output" and not (shown and n.startswith(shown))]  # fmt: skip
        running, rst = started(dut, simulator)

        async def bench(
            ctx, *, record=record, noise=noise, rng=rng, rst=rst, ins=inputs, outs=outputs
        ):
            other = np.random.default_rng(9)

            def play(source):
                for signal in ins:
                    bits = int.from_bytes(source.bytes(len(signal) // 8 + 1), "little")
                    ctx.set(signal, bits & ((1 << len(signal)) - 1))

            for step in range(noise):
                play(other)
                ctx.set(rst, int(step == noise - 1))
                await ctx.tick()
            ctx.set(rst, 0)
            for _ in range(40):
                play(rng)
                record.append([ctx.get(s) for s in outs])
                await ctx.tick()

        played(running, bench)
    assert records == [records[0]] * len(records)
