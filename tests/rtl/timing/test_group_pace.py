"""Pace of groups: the recurrence against a simulation of station, lanes, banks and stage, cycle by
cycle."""

import numpy as np
import pytest
from held_pace import simulated

from adqhw.rtl.timing.group_pace import Blocks, Group, Pace, tile_pace
from adqhw.rtl.timing.grouping import grouping


def random_runs(rng: np.random.Generator) -> list[tuple[Group, int]]:
    """Blocks of equal and nearly equal groups, some of which keep one word."""
    runs = []
    for _ in range(int(rng.integers(1, 4))):
        constant, words = bool(rng.random() < 0.3), int(rng.integers(1, 8))
        pixels, lanes = int(rng.integers(1, 9)), int(rng.integers(1, 9))
        reads = 1 if constant else words
        for size in (pixels + 1, pixels):
            chunks, count = size * lanes, int(rng.integers(0, 12))
            if constant and reads and count:
                runs.append((Group(pixels=size, words=words, reads=1, chunks=chunks), 1))
                count, reads = count - 1, 0
            runs.append((Group(pixels=size, words=words, reads=reads, chunks=chunks), count))
    return [(group, count) for group, count in runs if count]


def random_array(rng: np.random.Generator, fill: int) -> dict[str, int]:
    """What a pace begins with, of an array that fills words in `fill` cycles."""
    return {
        "fill": fill,
        "beat_cycles": int(rng.choice([1, 1, 2, 5])),
        "latency": int(rng.integers(1, 12)),
        "beat": int(rng.integers(0, 9)),
        "station": int(rng.integers(0, 5)) + fill,
        "stage": int(rng.integers(0, 40)),
    }


def compare(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = random_runs(rng)
    fill = int(rng.integers(1, 9))
    array = random_array(rng, fill)
    pace = Pace(**array)
    for group, count in runs:
        pace.run(group, count)
    want = simulated([group for group, count in runs for _ in range(count)], **array)
    assert {name: getattr(pace, name) for name in want} == want, seed


@pytest.mark.parametrize("part", range(4))
def test_recurrence_equals_the_simulation(part):
    for seed in range(100 * part, 100 * (part + 1)):
        compare(seed)


def test_equal_groups_are_counted_at_once():
    """A million groups take the time of a few, and each the same number of cycles."""
    group = Group(pixels=16, words=18, reads=18, chunks=64)
    pace = Pace(fill=8, beat_cycles=1, latency=6, beat=5, station=12, stage=6)
    pace.run(group, 1_000_000)
    assert pace.drained == 12 + 1_000_000 * 18 * 16 - 1 + 6 + 63
    assert (pace.drain_stalls, pace.word_stalls) == (0, 7)


@pytest.mark.parametrize("seed", range(60))
def test_equal_blocks_are_counted_as_if_one_after_the_other(seed):
    """Random tiles of up to 30 blocks against all of their groups, cycle by cycle."""
    rng = np.random.default_rng(seed)
    fill, cols = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    blocks = Blocks(
        channels=int(rng.integers(1, 30 * cols)),
        cols=cols,
        pixels=grouping(int(rng.integers(1, 60)), int(rng.integers(2, 17))),
        words=int(rng.integers(1, 8)),
        constant=bool(rng.random() < 0.3),
        lanes=int(rng.integers(1, 5)),
    )
    array = random_array(rng, fill)
    groups = []
    for first in range(0, blocks.channels, cols):
        for group, count in blocks.groups(min(cols, blocks.channels - first)):
            groups += [group] * count
    pace, want = tile_pace(blocks, **array), simulated(groups, **array)
    assert {name: getattr(pace, name) for name in want} == want


def test_groups_of_a_block_by_hand():
    """49 pixels in groups of 13, 12, 12, 12; 5 channels leave in 3 chunks of 2."""
    blocks = Blocks(channels=5, cols=8, pixels=grouping(49, 16), words=9, constant=False, lanes=2)
    larger, other = (Group(pixels=n, words=9, reads=9, chunks=3 * n) for n in (13, 12))
    assert blocks.groups(5) == [(larger, 1), (other, 3)]
    pooled = Blocks(channels=5, cols=8, pixels=grouping(48, 16), words=9, constant=True, lanes=2)
    first, others = (Group(pixels=16, words=9, reads=n, chunks=48) for n in (1, 0))
    assert pooled.groups(5) == [(first, 1), (others, 2)]
