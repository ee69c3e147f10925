"""`External`: the port to external memory of an array that holds weights, as part of `Arch`."""

import dataclasses
from dataclasses import dataclass

from ...spec.errors import InputError
from ...spec.host.text import shown

PAGE_BYTES = 4096
"""An AXI burst does not cross a multiple of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class External:
    """An AXI4 master, and the memory of its jobs: transfers that run beside the passes."""

    bus_width: int = 64
    """Bits of a beat of the data bus: a power of two."""
    burst_beats: int = 16
    """Most beats of a burst: a power of two. A burst ends where a multiple of so many beats
    begins."""
    outstanding: int = 4
    """Bursts that may be asked for before the first one has ended."""
    jobs: int = 256
    """Rows of the job memory."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            low, high = EXTERNAL_RANGES[entry.name]
            value = getattr(self, entry.name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(
                    f"Arch external {entry.name} must be in {low}..{high}, not {shown(value)}"
                )
        for name in ("bus_width", "burst_beats"):
            value = getattr(self, name)
            if value & (value - 1):
                raise InputError(f"Arch external {name} must be a power of two, not {value}")
        if self.burst_beats * self.bus_bytes > PAGE_BYTES:
            raise InputError(
                f"Arch external burst_beats must be at most {PAGE_BYTES // self.bus_bytes} where "
                f"bus_width is {self.bus_width}, not {self.burst_beats}"
            )

    @property
    def bus_bytes(self) -> int:
        """Bytes of a beat."""
        return self.bus_width // 8


EXTERNAL_RANGES: dict[str, tuple[int, int]] = {
    "bus_width": (32, 256),
    "burst_beats": (1, 256),
    "outstanding": (1, 16),
    "jobs": (1, 1 << 16),
}
"""Inclusive limits."""
