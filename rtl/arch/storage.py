"""`Storage`: the on-chip memories of a whole-network accelerator, as part of `Arch`."""

import dataclasses
from dataclasses import dataclass

from ...spec.errors import InputError
from ...spec.host.text import shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Sizes of the memories; the defaults hold a small network.

    Every memory is one read and one write port wide. A program that needs more is refused with
    the memory's name and the missing rows (`rtl.program.fit.check_storage`).
    """

    code_width: int = 8
    """Bits of a stored activation code."""
    activation_words: int = 1024
    """Words of each of the two activation banks; a word holds the codes of `rows` channels."""
    weight_rows: int = 256
    """Rows of each weight plane bank; a row holds one bit of every lane."""
    threshold_rows: int = 128
    """Channels' thresholds, of all layers together."""
    requant_rows: int = 128
    """Channels' multipliers and biases, of all layers together."""
    codebook_rows: int = 128
    """Levels, of all layers' codebooks together."""
    passes: int = 64
    """Descriptors: at least one per layer, one for the input."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            low, high = STORAGE_RANGES[entry.name]
            value = getattr(self, entry.name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(
                    f"Arch storage {entry.name} must be in {low}..{high}, not {shown(value)}"
                )


_ROWS = (1, 1 << 24)
STORAGE_RANGES: dict[str, tuple[int, int]] = {
    "code_width": (1, 32),
    "activation_words": _ROWS,
    "weight_rows": _ROWS,
    "threshold_rows": _ROWS,
    "requant_rows": _ROWS,
    "codebook_rows": _ROWS,
    "passes": _ROWS,
}
"""Inclusive limits."""


def address_width(words: int) -> int:
    """Bits of an address below `words`."""
    return max(1, (words - 1).bit_length())


def memory_depth(rows: int) -> int:
    """Rows of a built memory: one row would have an address of 0 bits, which Verilog lacks."""
    return max(2, rows)
