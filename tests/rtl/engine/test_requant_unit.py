"""Requant unit against the contract's `Requant.apply`: ties, saturation, residuals, limits."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.engine.requant_unit import RequantUnit
from adqhw.rtl.layouts.words import config_word, requant_words
from adqhw.spec import IntFormat, Requant
from adqhw.verify.rtl_streams import simulate

SETTINGS = ("shift", "skip_multiplier", "out_min", "out_max")


def arch(acc_width: int = 24, channels: int = 4, out_width: int = 32) -> Arch:
    return Arch(rows=1, cols=1, channels=channels, acc_width=acc_width, out_width=out_width)


def run(a: Arch, requant: Requant, accs: np.ndarray, skips: np.ndarray | None = None, **pressure):
    """Codes of `accs` (channels, n), channels fastest."""
    feed = [{"acc": int(v), "channel": c} for col in accs.T for c, v in enumerate(col)]
    feeds = {"accs": feed}
    if skips is not None:
        feeds["skips"] = [int(v) for v in skips.T.ravel()]
    config = config_word(requant, skip=skips is not None)
    return simulate(
        RequantUnit(a),
        feeds,
        {"codes": len(feed)},
        loads=[("parameters", word) for word in requant_words(a, requant, len(accs))],
        constants={name: config[name] for name in SETTINGS} | {"use_skip": config["skip"]},
        **pressure,
    )


def expected(requant: Requant, accs: np.ndarray, skips: np.ndarray | None = None) -> list[int]:
    skip = None if skips is None else skips[None]
    return requant.apply(accs[None], skip)[0].T.ravel().tolist()


@pytest.mark.parametrize("out", ["u1", "u4", "u8", "s8", "s32"])
@pytest.mark.parametrize("shift", [0, 1, 2, 5])
def test_every_small_sum(out: str, shift: int):
    """All 7-bit sums: rounding ties of both signs and both ends of saturation."""
    accs = np.array([range(-64, 64)] * 4)
    requant = Requant(
        multiplier=[1, -1, 3, 0], bias=[0, 1, -7, 100], shift=shift, out=IntFormat.parse(out)
    )
    assert run(arch(7), requant, accs).values("codes") == expected(requant, accs)


def test_half_rounds_toward_plus_infinity():
    requant = Requant(multiplier=[1], bias=[0], shift=1, out=IntFormat.parse("s8"))
    accs = np.array([[-3, -1, 1, 3]])  # -1.5, -0.5, 0.5, 1.5
    assert run(arch(7), requant, accs).values("codes") == [-1, 0, 1, 2]


def test_the_contracts_limits_do_not_overflow():
    """Largest multiplier, bias, shift, sum and residual: the unit's widths grow by themselves. A
    program has less: its totals fit s62."""
    accs = np.array([[-(1 << 31), (1 << 31) - 1]] * 2)
    skips = np.array([[255, 0]] * 2)
    limit = (1 << 31) - 1
    requant = Requant(
        multiplier=[limit, -limit - 1],
        bias=[(1 << 55) - 1, -(1 << 55)],
        shift=47,
        out=IntFormat.parse("s32"),
        skip_multiplier=(1 << 31) - 1,
    )
    a = dataclasses.replace(arch(32, channels=2), requant=RequantWidths(multiplier_width=32))
    assert run(a, requant, accs, skips).values("codes") == expected(requant, accs, skips)


@pytest.mark.parametrize(("idle", "pause"), [(0, 0), (0.5, 0), (0, 0.5), (0.4, 0.6)])
def test_residual_codes_stay_paired_with_their_sums(idle: float, pause: float):
    """The two input streams idle independently of each other."""
    rng = np.random.default_rng(5)
    accs, skips = rng.integers(-5000, 5000, (4, 10)), rng.integers(-128, 256, (4, 10))
    requant = Requant(
        multiplier=rng.integers(-99, 99, 4),
        bias=rng.integers(-9999, 9999, 4),
        shift=9,
        out=IntFormat.parse("u8"),
        skip_multiplier=517,
    )
    trace = run(arch(14), requant, accs, skips, idle=idle, pause=pause)
    assert trace.values("codes") == expected(requant, accs, skips)


@settings(max_examples=15)
@given(data=st.data())
def test_random_requants(data: st.DataObject):
    def numbers(bits: int, count: int) -> list[int]:
        reach = 1 << (bits - 1)
        return data.draw(st.lists(st.integers(-reach, reach - 1), min_size=count, max_size=count))

    accs = np.array([numbers(12, 6), numbers(12, 6)])
    requant = Requant(
        multiplier=numbers(10, 2),
        bias=numbers(20, 2),
        shift=data.draw(st.integers(0, 12)),
        out=IntFormat.parse(data.draw(st.sampled_from(["u4", "u8", "s8", "s12"]))),
    )
    assert run(arch(12, channels=2), requant, accs).values("codes") == expected(requant, accs)


def test_narrow_widths_are_enough_when_the_numbers_are_narrow():
    widths = RequantWidths(
        multiplier_width=3, bias_width=4, shift_max=1, skip_multiplier_width=2, skip_width=5
    )
    a = Arch(rows=1, cols=1, channels=1, acc_width=5, out_width=6, requant=widths)
    requant = Requant(
        multiplier=[-4], bias=[-8], shift=1, out=IntFormat.parse("u4"), skip_multiplier=-2
    )
    accs = np.array([range(-16, 16)])
    skips = np.array([list(range(16)) * 2])
    assert run(a, requant, accs, skips).values("codes") == expected(requant, accs, skips)


def test_latency_and_throughput_are_as_stated():
    requant = Requant(multiplier=[1], bias=[0], shift=0, out=IntFormat.parse("s8"))
    trace = run(arch(7), requant, np.array([range(9)]))
    dut = RequantUnit(arch(7))
    assert trace.accepted["accs"] == list(range(9))
    assert trace.cycles("codes") == [c + dut.latency for c in trace.accepted["accs"]]
    assert dut.initiation_interval == 1
