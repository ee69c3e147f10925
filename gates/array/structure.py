"""What the energy of a lane array grows with beside toggles: its size, a stream's cycles."""

from .streams import OperandStream

STRUCTURE = ("array", "row", "column", "lane")
"""Per cycle: energy of an array whatever it computes (clock, leakage, control)."""


def structure(rows: int, cols: int) -> dict[str, float]:
    """How many of each an array has."""
    return {"array": 1.0, "row": float(rows), "column": float(cols), "lane": float(rows * cols)}


def stream_cycles(stream: OperandStream) -> int:
    """Cycles of the stream without stalls."""
    work = stream.work
    return len(stream) * work.beat_cycles + int(stream.last.sum()) * work.final_cycles
