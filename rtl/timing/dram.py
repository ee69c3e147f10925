"""External memory: its service times, and the cycles of the jobs that use it, exactly.

The bench's memory (`cosim/network/templates/memory.v`) does the same arithmetic in every cycle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...spec.errors import InputError
from ...spec.host.text import shown
from ..arch.external import External

FETCH_CYCLES = 3
"""From `begin` to the cycle in which the first job asks for its beats."""
NEXT_CYCLES = 2
"""From the last cycle of a job to the one in which the next asks for its beats."""
ADDRESS_CYCLES = 2
"""From that cycle to the one in which the memory takes the first address."""
WORD_CYCLES = 2
"""From that cycle to the one in which the first word of a store is packed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DramModel:
    """A memory with one open row behind an AXI port that takes an address per cycle; rows are
    counted from the base of the external memory, which begins one.

    Bursts are served in the order of their addresses. The first beat of a read burst is offered
    `latency` cycles after its address was taken, and `beat_cycles` after the last beat of the burst
    before it; of a write burst it is taken 1 cycle after its address at the earliest. Both come
    `row_miss` cycles later when the burst begins in another row than the last one did (its first
    byte decides; the first burst after a start always misses). Further beats follow `beat_cycles`
    after the one before was taken. The response to a write comes `latency` cycles after its last
    beat was taken. Refresh is not modelled.
    """

    latency: int = 40
    beat_cycles: int = 1
    row_bytes: int = 2048
    """A power of two."""
    row_miss: int = 20

    def __post_init__(self) -> None:
        for name, (low, high) in MEMORY_RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"Memory {name} must be in {low}..{high}, not {shown(value)}")
        if self.row_bytes & (self.row_bytes - 1):
            raise InputError(f"Memory row_bytes must be a power of two, not {self.row_bytes}")


MEMORY_RANGES: dict[str, tuple[int, int]] = {
    "latency": (1, 1 << 16),
    "beat_cycles": (1, 8),
    "row_bytes": (1, 1 << 30),
    "row_miss": (0, 1 << 16),
}
"""Inclusive limits. A beat's cycles end before the next step can ask for one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """A job as the bus sees it: `beats` beats from beat address `at` on.

    slots: rows in a beat, of which the job begins at `first`; 1 where a row has whole beats.
    """

    store: bool
    at: int
    beats: int
    rows: int
    slots: int = 1
    first: int = 0

    def rows_in(self, beat: int) -> int:
        """Cycles in which rows of a beat are loaded or packed."""
        low = self.first if beat == 0 else 0
        return min(self.slots, self.first + self.rows - beat * self.slots) - low

    @property
    def edges(self) -> tuple[int, int]:
        """`rows_in` of the first and of the last beat; 1 where rows have whole beats."""
        if self.slots == 1:
            return 1, 1
        return self.rows_in(0), self.rows_in(self.beats - 1)


@dataclass(kw_only=True, slots=True)
class JobTimer:
    """Cycles of jobs, in the order in which they run: the memory keeps a row open between them."""

    external: External
    model: DramModel
    open_row: int | None = None
    beats_read: int = 0
    beats_written: int = 0
    _free: int = field(default=0, init=False)
    """First cycle in which the memory can move the next beat."""

    def step(self, transfers: Sequence[Transfer]) -> int:
        """Cycles for which the jobs of a step are active."""
        end, self._free = 0, 0
        for number, transfer in enumerate(transfers):
            asked = end + NEXT_CYCLES if number else FETCH_CYCLES
            end = self._store(transfer, asked) if transfer.store else self._load(transfer, asked)
        return end

    def _bursts(self, transfer: Transfer) -> Iterator[tuple[int, int, int]]:
        """(number of the first beat, beats, cycles for its row) of every burst."""
        most, beat = self.external.burst_beats, 0
        while beat < transfer.beats:
            at = transfer.at + beat
            count = min(transfer.beats - beat, most - at % most)
            row = at * self.external.bus_bytes // self.model.row_bytes
            yield beat, count, 0 if row == self.open_row else self.model.row_miss
            self.open_row = row
            beat += count

    def _load(self, transfer: Transfer, asked: int) -> int:
        """Cycle in which the last row is loaded."""
        model, last = self.model, transfer.beats - 1
        first_rows, last_rows = transfer.edges
        pace, taken, unpacked = max(model.beat_cycles, transfer.slots), 0, 0
        closes: list[int] = []
        address = asked + ADDRESS_CYCLES - 1
        for beat, count, miss in self._bursts(transfer):
            address = self._address(address, closes)
            taken = max(max(address + model.latency, self._free) + miss, unpacked)
            if count > 1:
                begin = first_rows if beat == 0 else transfer.slots
                taken += max(model.beat_cycles, begin) + (count - 2) * pace
            rows = last_rows if beat + count > last else transfer.slots
            if beat == 0 and count == 1:
                rows = first_rows
            self._free, unpacked = taken + model.beat_cycles, taken + rows
            closes.append(taken)
        self.beats_read += transfer.beats
        return taken + last_rows

    def _store(self, transfer: Transfer, asked: int) -> int:
        """Cycle in which the last response has been counted."""
        model, taken, moved = self.model, 0, asked + WORD_CYCLES
        closes: list[int] = []
        address = asked + ADDRESS_CYCLES - 1
        for beat, count, miss in self._bursts(transfer):
            address = self._address(address, closes)
            offered = max(address + 1, self._free) + miss
            for number in range(beat, beat + count):
                packed = transfer.rows_in(number) if transfer.slots > 1 else 1
                moved = max(moved + packed, address + 1, taken)
                taken = max(moved + 1, offered)
                offered = taken + model.beat_cycles
            self._free = offered
            closes.append(taken + model.latency)
        self.beats_written += transfer.beats
        return closes[-1] + 1

    def _address(self, before: int, closes: list[int]) -> int:
        """Cycle in which the next address is taken. closes: of the bursts before it."""
        waiting = len(closes) - self.external.outstanding
        return max(before + 1, closes[waiting] + 2) if waiting >= 0 else before + 1
