"""Blob: a memory image as 32-bit words, for a host that writes it to the registers.

Magic, version, number of sections; per section target, first row, rows, words of a row, and the
words of its rows, least significant first. Descriptors come last: with them a program is loaded.
"""

from collections.abc import Iterator

import numpy as np

from ..accelerator.ports import Target
from ..arch.arch import Arch
from ..bus.registers import load_words
from .image import Row

MAGIC = 0x41445142
"""The letters ADQB."""
VERSION = 1
_WORD_BYTES = 4


def program_blob(arch: Arch, rows: list[Row]) -> bytes:
    """The rows of a memory image, little-endian."""
    words = load_words(arch)
    sections = list(_sections(rows))
    parts = [np.array([MAGIC, VERSION, len(sections)], "<u4").tobytes()]
    for target, first, data in sections:
        count = words[target]
        parts.append(np.array([target, first, len(data), count], "<u4").tobytes())
        parts.append(b"".join(bits.to_bytes(count * _WORD_BYTES, "little") for bits in data))
    return b"".join(parts)


def _sections(rows: list[Row]) -> Iterator[tuple[int, int, list[int]]]:
    """(target, first row, data of consecutive rows)."""
    ordered = sorted(rows, key=lambda row: (row[0] == Target.PASSES, row[0], row[1]))
    target, first = -1, 0
    data: list[int] = []
    for kind, row, bits in ordered:
        if data and (kind, row) != (target, first + len(data)):
            yield target, first, data
            data = []
        if not data:
            target, first = kind, row
        data.append(bits)
    if data:
        yield target, first, data
