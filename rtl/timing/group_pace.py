"""Group pace: when an array that holds weights takes the beats of its groups, and gives its sums.

Three things follow each other: the station has a word `fill` cycles after the last one left it, the
lanes take a beat every `beat` cycles, and the output stage a chunk per cycle. A group begins when
one of the two banks of sums is free; the stage begins with its sums when they are complete and
those of the group before have left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from .grouping import Grouping

TIMES = ("beat", "station", "drained", "drained_before")
COUNTED = ("beats", "words", "chunks", "drain_stalls", "word_stalls")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """`pixels` of a group pass `words` positions of their windows; their sums leave in `chunks`.

    reads: the words that are read for it; the rest of them, at its end, are the one before.
    """

    pixels: int
    words: int
    reads: int
    chunks: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """Blocks of `cols` output channels, of which the last one may have fewer."""

    channels: int
    """Of all blocks."""
    cols: int
    pixels: Grouping
    words: int
    """Positions of a window, over all input blocks."""
    constant: bool
    """All words of a block are one, which its first group reads."""
    lanes: int
    """Codes of a chunk."""

    def groups(self, channels: int) -> list[tuple[Group, int]]:
        """(group, number of equal ones) of a block with so many channels, in their order."""
        reads, found = 1 if self.constant else self.words, []
        for size, count in self.pixels.sizes:
            chunks, left = -(-channels // self.lanes) * size, count
            if self.constant and reads:
                found.append((Group(pixels=size, words=self.words, reads=1, chunks=chunks), 1))
                left, reads = count - 1, 0
            found.append((Group(pixels=size, words=self.words, reads=reads, chunks=chunks), left))
        return found


@dataclass(kw_only=True, slots=True)
class Pace:
    """State of an array in the order of its groups; all times in cycles after `setup`.

    beat: the first in which the next beat can be taken. station: in which the next word can.
    drained, drained_before: in which the last chunk of the last group left, of the one before it.
    """

    fill: int
    beat_cycles: int
    latency: int
    beat: int
    station: int
    stage: int
    """The first cycle in which the output stage can take a chunk."""
    drained: int = -1
    drained_before: int = -1
    beats: int = 0
    words: int = 0
    chunks: int = 0
    drain_stalls: int = 0
    word_stalls: int = 0

    def run(self, group: Group, count: int) -> None:
        """So many equal groups, one after the other."""
        self._repeat(lambda: self._group(group), count)

    def run_blocks(self, blocks: Blocks) -> None:
        """All blocks, one after the other: those that fill the columns, and the last one."""
        full, rest = divmod(blocks.channels, blocks.cols)
        for channels, count in ((blocks.cols, full), (rest, 1)):
            if channels:
                self._repeat(partial(self._run_all, blocks.groups(channels)), count)

    def _run_all(self, groups: Sequence[tuple[Group, int]]) -> None:
        for group, count in groups:
            self.run(group, count)

    def _repeat(self, once: Callable[[], None], count: int) -> None:
        """The same work `count` times.

        After a few times every one is like the one before, later by the same time: then the
        others are counted at once, exactly.
        """
        if count <= 2:  # no time is won
            for _ in range(count):
                once()
            return
        state = self._state()
        while count:
            begin, counted = self.beat, self._counted()
            once()
            count -= 1
            last, state = state, self._state()
            if state == last:
                time = self.beat
                for name in TIMES:
                    setattr(self, name, getattr(self, name) + (time - begin) * count)
                for name, value, now in zip(COUNTED, counted, self._counted(), strict=True):
                    setattr(self, name, now + (now - value) * count)
                return

    def _group(self, group: Group) -> None:
        opens = max(self.beat, self.drained_before + 1)
        self.drain_stalls += opens - self.beat
        begin = max(opens, self.station) if group.reads else opens
        self.word_stalls += begin - opens
        time = group.pixels * self.beat_cycles
        word = max(time, self.fill + 1)
        if group.reads:
            self.station = begin + (group.reads - 1) * word + self.fill + 1
            self.word_stalls += (group.reads - 1) * (word - time)
        between = max(group.reads - 1, 0) * word + (group.words - max(group.reads, 1)) * time
        self.beat = begin + between + time
        closes = self.beat - self.beat_cycles
        first = max(closes + self.latency, self.drained + 1, self.stage)
        self.drained_before, self.drained = self.drained, first + group.chunks - 1
        self.beats += group.pixels * group.words
        self.words += group.reads
        self.chunks += group.chunks

    def _counted(self) -> tuple[int, ...]:
        """The numbers of `COUNTED`."""
        return self.beats, self.words, self.chunks, self.drain_stalls, self.word_stalls

    def _state(self) -> tuple[int, int, int]:
        """What the next group depends on, relative to its first beat.

        What lies so far back that nothing waits for it any more is as if it were just not waited
        for.
        """
        oldest = self.beat - 1
        return (
            max(self.station, self.beat) - self.beat,
            max(self.drained, oldest) - self.beat,
            max(self.drained_before, oldest) - self.beat,
        )


@lru_cache(maxsize=4096)  # layers of one shape follow each other in most networks
def tile_pace(blocks: Blocks, **times: int) -> Pace:
    """The array after all blocks; it must not run on. times: those of `Pace` at the beginning."""
    pace = Pace(**times)
    pace.run_blocks(blocks)
    return pace
