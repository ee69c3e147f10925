"""`TensorCycles`: time and schedule of a layer, from which events are counted."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorCycles:
    """Cycles of all passes of a layer (or of the input), from fetch to last code, and their beats,
    sums and words, from which events are counted.
    """

    name: str
    kind: str
    cycles: int
    beats: int = 0
    """Accepted by the array."""
    drain_stalls: int = 0
    """Cycles in which the array waits for the drain."""
    passes: int = 1
    groups: int = 0
    """Sums of a column: all columns finish theirs in the same cycle."""
    drained: int = 0
    """Sums that pass the drain, those of idle columns too."""
    column_beats: int = 0
    """Beats, summed over the columns whose sums belong to an output channel."""
    column_blocks: int = 0
    """Blocks of `cols` output channels."""
    words: int = 0
    """That are moved whole: windows of a max pool, a concatenation's aligned sources, an upsampled
    map."""
    codes: int = 0
    """That go through the output stage without sums."""
    word_stalls: int = 0
    """Cycles in which the array that holds weights waits for a weight word."""
    weight_words: int = 0
    """Weight words that enter its lanes."""
    chunks: int = 0
    """Chunks of sums or codes that its output stage takes."""
    external_stalls: int = 0
    """Cycles in which complete passes wait for their jobs."""
    beats_read: int = 0
    """Of the bus of external memory."""
    beats_written: int = 0
