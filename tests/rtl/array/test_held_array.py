"""The array that holds weights against plain integer sums, under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import micro, names
from adqhw.rtl.array.held_array import HeldArray
from adqhw.rtl.timing.held_timing import held_array_latency
from adqhw.spec import InputError
from adqhw.verify.held_work import Handshakes, Work, random_work, run

HOLDING = [name for name in names() if micro(name).held_column is not None]
SIZES = {  # rows, cols, hold, fill, out_lanes
    "one lane": (1, 1, 2, 1, 1),
    "a row of columns": (1, 4, 3, 2, 1),
    "no power of two": (5, 6, 5, 3, 1),
    "three trees": (17, 2, 4, 2, 1),
    "a column per cycle": (4, 4, 8, 4, 2),
}


def arch(rows: int, cols: int, micro: str = "decode", **options: int) -> Arch:
    widths = {"weight_width": 3, "act_width": 4, "level_width": 8, "acc_width": 20}
    return Arch(rows=rows, cols=cols, micro=micro, **(widths | {"hold": 4} | options))


def sized(name: str, micro_name: str = "decode", **options: int) -> Arch:
    rows, cols, hold, fill, out_lanes = SIZES[name]
    return arch(rows, cols, micro_name, hold=hold, fill=fill, out_lanes=out_lanes, **options)


def test_digits_of_levels_are_summed_at_their_slot():
    """`uniform` lanes with narrow multipliers: two or three cycles per beat."""
    for seed, multiply_width in enumerate((3, 4)):
        a = sized("no power of two", "uniform", multiply_width=multiply_width)
        work = random_work(a, np.random.default_rng(seed), 5, depth=3)
        assert work.mac.schedule.beat_cycles == -(-8 // multiply_width)
        checked(work, idle=0.3, pause=0.6, seed=seed)


def checked(work: Work, **pressure) -> Handshakes:
    """Run it; sums, counts, order and handshakes are those of the model."""
    dut = HeldArray(work.arch)
    model = Handshakes(dut, work)
    trace, sums = run(dut, work, model, **pressure)
    assert sums == [group.tolist() for group in work.sums]
    assert [value.count for value in trace.values("groups")] == [len(s) for s in sums]
    return model


@pytest.mark.parametrize(
    ("size", "micro_name"),
    [*((size, "decode") for size in SIZES), *(("no power of two", name) for name in HOLDING[1:])],
)
def test_sums_do_not_depend_on_idles_or_back_pressure(size: str, micro_name: str):
    a = sized(size, micro_name)
    for seed, (idle, pause) in enumerate(((0, 0.9), (0.4, 0.5))):
        work = random_work(a, np.random.default_rng(seed), 4, depth=3, bypass=seed == 1)
        checked(work, idle=idle, pause=pause, seed=seed)


@given(
    st.sampled_from(HOLDING),
    st.integers(1, 5),
    st.sampled_from([(c, f) for c in (1, 2, 3, 6) for f in (1, 2, 3) if c % f == 0]),
    st.integers(3, 6),
    st.booleans(),
    st.sampled_from([0.0, 0.4, 0.9]),
    st.sampled_from([0.0, 0.5, 0.95]),
    st.integers(0, 999),
)
@settings(max_examples=6, derandomize=True)
def test_random_arrays(name, rows, sides, hold, bypass, idle, pause, seed):
    cols, fill = sides
    a = arch(rows, cols, name, hold=hold, fill=fill, act_width=5)
    work = random_work(a, np.random.default_rng(seed), 5, depth=3, bypass=bypass)
    checked(work, idle=idle, pause=pause, seed=seed)


def test_both_stalls_happen():
    """Short groups behind a slow consumer; single pixels, whose words take longer than they."""
    a = arch(2, 4, hold=4, fill=4)
    rng = np.random.default_rng(3)
    ones = Work(
        arch=a,
        activations=[rng.integers(0, 16, (3, 1, 2)) for _ in range(4)],
        codes=[rng.integers(0, 8, (3, 4, 2)) for _ in range(4)],
        read=[[True] * 3] * 4,
    )
    stalls = checked(ones).stalls
    assert stalls["words"] > 0
    assert stalls["sums"] == 0
    assert checked(random_work(a, rng, 6, depth=1), pause=0.95).stalls["sums"] > 0


@pytest.mark.parametrize("pixels", [1, 4])
@pytest.mark.parametrize("size", ["three trees"])
@pytest.mark.parametrize("micro_name", HOLDING)
@pytest.mark.parametrize("bypass", [False, True])
def test_latency_and_throughput_are_as_stated(size: str, micro_name: str, bypass: bool, pixels):
    """Beats without a pause: a word takes max(its beats, fill + 1) cycles, a group its words."""
    a = sized(size, micro_name, act_width=5)
    depth = 3
    rng = np.random.default_rng(1)
    work = Work(
        arch=a,
        activations=[rng.integers(0, 32, (depth, pixels, a.rows)) for _ in range(3)],
        codes=[rng.integers(0, 8, (depth, a.cols, a.rows)) for _ in range(3)],
        read=[[True] * depth] * 3,
        bypass=bypass,
    )
    trace, _ = run(HeldArray(a), work)
    schedule = work.mac.schedule
    taken = trace.accepted["beats"]
    words = np.array(taken[::pixels])
    word_cycles = max(pixels * schedule.beat_cycles, a.fill + 1)
    assert set(np.diff(words)) == {word_cycles}
    closes = np.array(taken[depth * pixels - 1 :: depth * pixels])
    assert (np.array(trace.cycles("groups")) - closes == held_array_latency(a, schedule)).all()


def test_lanes_that_cannot_hold_are_refused():
    with pytest.raises(InputError, match=r"^Arch hold must be 1 for binned lanes, not 4$"):
        arch(2, 2, "binned")
    assert "binned" not in HOLDING
