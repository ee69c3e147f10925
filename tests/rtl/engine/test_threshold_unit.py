"""Threshold unit against the contract's `Threshold.apply`, exhaustively over small sums."""

import numpy as np
import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.engine.threshold_unit import ThresholdUnit
from adqhw.rtl.layouts.words import threshold_words
from adqhw.spec import Threshold
from adqhw.verify.rtl_streams import simulate


def arch(acc_width: int = 6, threshold_width: int = 2, channels: int = 4) -> Arch:
    return Arch(
        rows=1, cols=1, channels=channels, acc_width=acc_width, threshold_width=threshold_width
    )


def every_acc(width: int) -> list[int]:
    return list(range(-(1 << (width - 1)), 1 << (width - 1)))


def run(a: Arch, threshold: Threshold, accs: np.ndarray, **pressure):
    """Codes of `accs` (channels, n), each channel's sums in turn."""
    channels = len(accs)
    feed = [{"acc": int(v), "channel": c} for v, c in _interleaved(accs)]
    return simulate(
        ThresholdUnit(a),
        {"accs": feed},
        {"codes": len(feed)},
        loads=[("parameters", word) for word in threshold_words(a, threshold, channels)],
        **pressure,
    )


def _interleaved(accs: np.ndarray) -> list[tuple[int, int]]:
    return [(acc, c) for column in accs.T for c, acc in enumerate(column)]


def expected(threshold: Threshold, accs: np.ndarray) -> list[int]:
    return threshold.apply(accs[None])[0].T.ravel().tolist()


def corner_thresholds() -> Threshold:
    """Both signs; the extremes that tau may take for 6-bit sums; equal thresholds."""
    return Threshold(
        tau=[[-32, 0, 32], [-31, 1, 33], [5, 5, 5], [-64, -64, 63]], sign=[1, -1, -1, 1]
    )


def test_every_sum_against_the_contract():
    accs = np.array([every_acc(6)] * 4)
    trace = run(arch(), corner_thresholds(), accs)
    assert trace.values("codes") == expected(corner_thresholds(), accs)


def test_the_negation_of_the_most_negative_sum_is_exact():
    threshold = Threshold(tau=[[31, 32, 33]], sign=[-1])
    trace = run(arch(), threshold, np.array([[-32, -31, 31]]))
    assert trace.values("codes") == [2, 1, 0]


def test_fewer_thresholds_leave_the_other_comparators_silent():
    """A 1-bit activation on a unit with 7 comparators, at both extreme sums and signs."""
    threshold = Threshold(tau=[[-32], [-31]], sign=[1, -1])
    accs = np.array([every_acc(6)] * 2)
    trace = run(arch(threshold_width=3), threshold, accs)
    assert trace.values("codes") == expected(threshold, accs)
    assert max(trace.values("codes")) == 1


def test_a_shared_row_serves_every_channel():
    threshold = Threshold(tau=[[-3, 2, 9]], sign=[1])
    accs = np.array([every_acc(6)] * 3)
    assert run(arch(), threshold, accs).values("codes") == expected(threshold, accs)


@pytest.mark.parametrize(("idle", "pause"), [(0.5, 0), (0, 0.5), (0.5, 0.5)])
def test_codes_do_not_depend_on_idles_or_back_pressure(idle: float, pause: float):
    rng = np.random.default_rng(3)
    tau = np.sort(rng.integers(-(1 << 20), 1 << 20, (4, 15)), axis=1)
    threshold = Threshold(tau=tau, sign=[1, -1, 1, -1])
    accs = rng.integers(-(1 << 20), 1 << 20, (4, 12))
    accs[:, :8] = tau[:, :8] * threshold.sign[:, None] - rng.integers(0, 2, (4, 8))  # ties
    trace = run(arch(21, 4), threshold, accs, idle=idle, pause=pause)
    assert trace.values("codes") == expected(threshold, accs)


def test_latency_and_throughput_are_as_stated():
    trace = run(arch(), corner_thresholds(), np.array([[0, 1, 2]] * 4))
    dut = ThresholdUnit(arch())
    assert trace.accepted["accs"] == list(range(12))
    assert trace.cycles("codes") == [c + dut.latency for c in trace.accepted["accs"]]
    assert dut.initiation_interval == 1
