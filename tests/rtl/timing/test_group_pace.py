"""Pace of groups: the recurrence against a simulation of station, lanes, banks and stage, cycle by
cycle."""

from collections import deque

import numpy as np
import pytest

from adqhw.rtl.timing.group_pace import Group, Pace


def simulated(groups: list[Group], *, fill, beat_cycles, latency, beat, station, stage):
    """Beats, fields and chunks, one possible transfer of each per cycle."""
    beats = deque(
        (pixel == 0 and word < group.reads, word == pixel == 0,
         word == group.words - 1 and pixel == group.pixels - 1, number)
        for number, group in enumerate(groups)
        for word in range(group.words)
        for pixel in range(group.pixels)
    )  # fmt: skip
    entered, full, free_banks, free_at = 0, False, 2, beat
    complete: deque[tuple[int, int]] = deque()  # (cycle, group)
    left = [group.chunks for group in groups]
    drain_stalls = word_stalls = words = cycle = last = 0
    while any(left):
        freed = False
        if complete and complete[0][0] <= cycle and cycle >= stage:  # a chunk leaves
            number = complete[0][1]
            left[number] -= 1
            last, freed = cycle, left[number] == 0
            if freed:
                complete.popleft()
        taken = False
        if beats and cycle >= free_at:
            word, opens, closes, number = beats[0]
            if opens and not free_banks:
                drain_stalls += 1
            elif word and not full:
                word_stalls += 1
            else:
                beats.popleft()
                taken, free_at = word, cycle + beat_cycles
                words += word
                free_banks -= opens
                if closes:
                    complete.append((cycle + latency, number))
        if not full and cycle >= station - fill:  # a position enters; they are offered from then on
            entered += 1
            full, entered = entered == fill, entered % fill
        elif taken:
            full = False
        free_banks += freed
        cycle += 1
    return {
        "drained": last, "drain_stalls": drain_stalls, "word_stalls": word_stalls, "words": words,
        "beats": sum(group.words * group.pixels for group in groups),
        "chunks": sum(group.chunks for group in groups),
    }  # fmt: skip


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


def compare(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = random_runs(rng)
    fill = int(rng.integers(1, 9))
    array = {
        "fill": fill,
        "beat_cycles": int(rng.choice([1, 1, 2, 5])),
        "latency": int(rng.integers(1, 12)),
        "beat": int(rng.integers(0, 9)),
        "station": int(rng.integers(0, 5)) + fill,
        "stage": int(rng.integers(0, 40)),
    }
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
