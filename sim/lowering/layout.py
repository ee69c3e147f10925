"""Layout of each map in a worker's memory: strides, border, and reuse of bytes over time.

Maps are channels last. Codes of at most 8 bits are stored as bytes, code - lowest code of the
format (so signed codes are bytes too); wider ones as int32. A pixel of bytes is padded to whole
units of four, whose extra codes meet zero weights. The border holds the codes of real zero that
the consumer's padding inserts, so a window never leaves the map.
"""

from dataclasses import dataclass, field

import numpy as np

from ...spec.formats import Int64Array
from ...spec.host.limits import demand
from ...spec.windows import Pair

ALIGN = 64
SLACK = 128
"""Bytes around each map that vector loads may touch."""


@dataclass(kw_only=True)
class Place:
    """One map of one image; `offset` is set by `arrange`."""

    shape: tuple[int, int, int]
    """(C, H, W)."""
    element: int
    """Bytes per code: 1 or 4."""
    low: int = 0
    """Stored byte = code - low; 0 for wide maps."""
    halo: int = 0
    """Lines and columns on every side: the most that a consumer pads on any."""
    offset: int = -1
    born: int = -1
    dies: int = 0
    """Indices of the first step that writes it and the last that reads it."""
    pads: Int64Array | None = field(default=None, repr=False)
    """Codes (C,) of the border."""

    @property
    def pixel(self) -> int:
        channels = self.shape[0]
        return (channels + 3) // 4 * 4 if self.element == 1 else 4 * channels

    @property
    def row(self) -> int:
        return (self.shape[2] + 2 * self.halo) * self.pixel

    @property
    def image(self) -> int:
        size = (self.shape[1] + 2 * self.halo) * self.row
        return (size + ALIGN - 1) // ALIGN * ALIGN

    def window(self, padding: Pair) -> int:
        """Address of the first window of a consumer that pads so much at top and left."""
        top, left = padding
        return self.offset + (self.halo - top) * self.row + (self.halo - left) * self.pixel

    def view(self, arena: np.ndarray, images: int) -> np.ndarray:
        """The stored codes (N, H, W, C) as a view of `arena` (bytes)."""
        channels, height, width = self.shape
        codes = np.ndarray(
            (images, height, width, channels),
            dtype=np.uint8 if self.element == 1 else np.int32,
            buffer=arena.data,
            offset=self.window((0, 0)),
            strides=(self.image, self.row, self.pixel, self.element),
        )
        return codes

    def pattern(self) -> np.ndarray:
        """One row of border, as bytes."""
        pixel = np.zeros(self.pixel // self.element, np.int64)
        if self.pads is not None:
            pixel[: self.shape[0]] = self.pads - self.low
        kind = np.uint8 if self.element == 1 else np.int32
        row = np.tile(pixel, self.shape[2] + 2 * self.halo).astype(kind)
        return row.view(np.uint8)


def arrange(places: list[Place], images: int) -> int:
    """Give every place an offset, first fit among those of overlapping lifetime; the bytes used."""
    demand(images * sum(place.image + 2 * SLACK for place in places), "Maps of the numba engine")
    placed = _Placed(len(places))
    total = 0
    for place in sorted(places, key=lambda p: (-p.image, p.born)):
        size = (images * place.image + SLACK + ALIGN - 1) // ALIGN * ALIGN
        place.offset = placed.add(place, size)
        total = max(total, place.offset + size)
    return total


class _Placed:
    """Places with their memory, in the order of their addresses, as columns of one array."""

    def __init__(self, most: int) -> None:
        self._rows = np.zeros((4, most), np.int64)
        self._count = 0

    def add(self, place: Place, size: int) -> int:
        """Offset of the first gap of `size` bytes between places of overlapping lifetime."""
        starts, ends, born, dies = self._rows[:, : self._count]
        overlapping = (born <= place.dies) & (place.born <= dies)
        begin = np.append(starts[overlapping], np.iinfo(np.int64).max)
        # vector loads may also begin a little before the first map
        after = np.maximum.accumulate(np.append(SLACK, ends[overlapping]))
        offset = int(after[np.argmax(after + size <= begin)])
        index = int(np.searchsorted(starts, offset))
        self._rows[:, index + 1 : self._count + 1] = self._rows[:, index : self._count]
        self._rows[:, index] = offset, offset + size, place.born, place.dies
        self._count += 1
        return offset


def aligned(size: int) -> np.ndarray:
    """`size` zero bytes whose address is a multiple of 64."""
    raw = np.zeros(size + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + size]


class Constants:
    """Packed weights and parameters of all layers in one aligned block of bytes."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._size = 0

    def add(self, array: np.ndarray) -> int:
        """Offset of a copy of `array`."""
        offset = self._size
        room = (array.nbytes + SLACK + ALIGN - 1) // ALIGN * ALIGN
        demand(2 * (offset + room), "Packed weights of the numba engine")  # parts, then the block
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._parts.append(np.concatenate([data, np.zeros(room - data.size, np.uint8)]))
        self._size += room
        return offset

    def block(self) -> np.ndarray:
        """All of it, aligned."""
        block = aligned(max(self._size, ALIGN))
        if self._parts:
            np.concatenate(self._parts, out=block)
        return block
