"""Columns of a topology: meaning of header cells, and messages of refused columns.

The sizes stand first, in SCALE-Sim's order (its readers up to 3.0.0 take them by position, later
ones by name); spellings are those of its readers, of the files that it ships and of its writer
(`Stride Height`, `Stride Width`). Columns behind the sizes mean something for a layer's cost, and
SCALE-Sim itself counts without most of them: a value that says other than a dense, unpadded layer
of one image is refused, and so is an unknown column. Remarks are ignored: columns
named so, and cells without a header that begin with `#`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...spec.errors import InputError
from ...spec.host.text import shown

SIZES = {
    "IFMAP Height": ("ifmap height", "ifmap h", "input height"),
    "IFMAP Width": ("ifmap width", "ifmap w", "input width"),
    "Filter Height": ("filter height", "filter h"),
    "Filter Width": ("filter width", "filter w"),
    "Channels": ("channels", "channel", "num channels", "num channel"),
    "Num Filter": ("num filter", "num filters", "number of filters", "filters", "filter num"),
    "Strides": ("strides", "stride", "stride height", "stride h", "strides height", "strides h"),
}
COLUMNS = tuple(SIZES)
PRODUCT = {"M": ("m",), "N": ("n",), "K": ("k",)}
STRIDE_WIDTH = ("stride width", "stride w", "strides width", "strides w")
REMARKS = ("remark", "remarks", "note", "notes", "comment", "comments")


class Neutral(NamedTuple):
    """A column of which one value alone is costed."""

    column: str
    pattern: str
    """Form of that value; empty is always accepted."""
    wanted: str
    instead: str
    """How the layer can be written."""


OTHERS = {
    name: neutral
    for names, neutral in (
        (
            ("batch", "batch size"),
            Neutral("Batch Size", "0*1", "1", "multiply M, or count images by --batch"),
        ),
        (
            ("sparsity", "sparsity ratio", "sparsity support"),
            Neutral("Sparsity", r"0*1|0*([1-9]\d{0,8}) *: *0*\1", "dense (1:1)", "costs are dense"),
        ),
        (
            ("padding", "pad", "padding height", "padding width", "pad h", "pad w"),
            Neutral("Padding", "0+", "0", "add it to IFMAP Height and Width, which are with it"),
        ),
        (
            ("dilation", "dilations", "dilation height", "dilation width"),
            Neutral("Dilation", "0*1", "1", "it reads a map that no column describes"),
        ),
        (
            ("groups", "group", "num groups"),
            Neutral("Groups", "0*1", "1", "a name with DP in it is depth-wise"),
        ),
    )
    for name in names
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The header of one file."""

    sizes: tuple[str, ...]
    """Columns 2 and on."""
    stride_width: int | None = None
    """Index of its column."""
    neutral: dict[int, Neutral] = field(default_factory=dict)
    remarks: frozenset[int] = frozenset()

    @property
    def product(self) -> bool:
        """The rows are matrix products."""
        return self.sizes == tuple(PRODUCT)

    def refuse_others(self, row: Sequence[str], where: str) -> None:
        """Refuse a cell behind the sizes that the cost would have to leave out of account."""
        for at, text in enumerate(row[len(self.sizes) + 1 :], start=len(self.sizes) + 1):
            if not text or at in self.remarks or at == self.stride_width:
                continue
            if at in self.neutral:
                column, pattern, wanted, instead = self.neutral[at]
                if not re.fullmatch(pattern, text, re.ASCII):
                    raise InputError(
                        f"{where}, column {at + 1} ({column}) must be {wanted}, not "
                        f"{shown(text)}: {instead}"
                    )
            elif not text.startswith("#"):
                raise InputError(
                    f"{where}, column {at + 1} must have a header in row 1 to be read, "
                    f"not stand without one: {shown(text)}"
                )


def columns_of(header: Sequence[str], where: str) -> Columns:
    """Meaning of the columns of `header`; an unknown one is refused."""
    names = [plain(cell) for cell in header]
    sizes = PRODUCT if names[1:2] == ["m"] else SIZES
    for at, (column, spellings) in enumerate(sizes.items(), start=1):
        if at >= len(names) or names[at] not in spellings:
            found = "none" if at >= len(names) else shown(header[at])
            raise InputError(f"{where}, column {at + 1} must be {column!r}, not {found}")
    return _others(header, names, len(sizes) + 1, tuple(sizes), where)


def _others(
    header: Sequence[str], names: Sequence[str], first: int, sizes: tuple[str, ...], where: str
) -> Columns:
    stride_width, neutral, remarks = None, {}, set()
    for at, name in enumerate(names[first:], start=first):
        if name in names[first:at] and name:
            raise InputError(f"{where}, column {at + 1} must stand once, not again: {name!r}")
        if name in STRIDE_WIDTH and sizes == COLUMNS and stride_width is None:
            stride_width = at
        elif name in OTHERS:
            neutral[at] = OTHERS[name]
        elif name in REMARKS or name.startswith("#"):
            remarks.add(at)
        elif name:
            known = ", ".join(dict.fromkeys(n.column for n in OTHERS.values()))
            raise InputError(
                f"{where}, column {at + 1} must be Stride Width, {known} or Remarks, "
                f"not {shown(header[at])}"
            )
    return Columns(
        sizes=sizes, stride_width=stride_width, neutral=neutral, remarks=frozenset(remarks)
    )


def plain(cell: str) -> str:
    """A header cell without case, and with spaces where others write underscores or hyphens."""
    return " ".join(re.split(r"[\s_-]+", cell.strip().lower())).strip()
