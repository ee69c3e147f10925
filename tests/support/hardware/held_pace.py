"""Time of groups on an array that holds weights, simulated cycle by cycle."""

from collections import deque

from adqhw.rtl.timing.group_pace import Group


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
