"""Topologies: networks as SCALE-Sim writes them, a CSV file of layer sizes.

Two forms, told apart by the header, read by position as SCALE-Sim does:

    Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width,
        Channels, Num Filter, Strides,      (one line)
    Layer, M, N, K,

Columns behind those (sparsity, remarks) say nothing about a dense layer's size and are left alone.
The sizes are those after padding: a map of 224 x 224 gives SCALE-Sim ceil((224 - 7 + 2) / 2) = 110
rows under a filter of 7 with stride 2, an overhanging window included. A name with `DP` in it is a
depth-wise layer: one layer per channel.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..spec.errors import InputError

COLUMNS = (
    "IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter",
    "Strides",
)  # fmt: skip
GEMM = ("M", "N", "K")
LARGEST = 1 << 31


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSize:
    """A dense layer as a convolution without padding; a fully connected one is 1x1."""

    name: str
    height: int
    width: int
    filter_height: int
    filter_width: int
    channels: int
    filters: int
    stride: int
    repeat: int = 1
    """How often in a row: the channels of a depth-wise layer."""

    @property
    def out_height(self) -> int:
        return -(-(self.height - self.filter_height) // self.stride) + 1

    @property
    def out_width(self) -> int:
        return -(-(self.width - self.filter_width) // self.stride) + 1

    @property
    def pixels(self) -> int:
        return self.out_height * self.out_width

    @property
    def window(self) -> int:
        """Terms of one sum."""
        return self.filter_height * self.filter_width * self.channels

    @property
    def macs(self) -> int:
        """Of all repetitions."""
        return self.repeat * self.pixels * self.window * self.filters


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """Layers in order; nothing says how they are connected."""

    name: str
    layers: tuple[LayerSize, ...]


def load_topology(path: str | Path) -> Topology:
    """The topology in the file `path`; a bad field is refused with its row and column."""
    file = Path(path)
    if not file.is_file():
        raise InputError(f"Topology must be a file, not {str(file)!r}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Topology must be UTF-8 text, {str(file)!r} is not: {error}") from error
    return parse_topology(text, file.name)


def parse_topology(text: str, name: str) -> Topology:
    """The topology in the CSV `text`; `name` is the file's."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    if not rows or not any(rows[0]):
        raise InputError(f"Topology {name!r} must have a header in row 1, not an empty one")
    columns = _columns(rows[0], f"Topology {name!r}, row 1")
    layers = [
        _layer(row, columns, f"Topology {name!r}, row {number}")
        for number, row in enumerate(rows[1:], start=2)
        if any(row)  # blank, or commas only
    ]
    if not layers:
        raise InputError(f"Topology {name!r} must have at least one layer, not none")
    return Topology(name=Path(name).stem, layers=tuple(layers))


def _columns(header: Sequence[str], where: str) -> tuple[str, ...]:
    wanted = GEMM if header[1:2] == ["M"] else COLUMNS
    for position, column in enumerate(wanted, start=1):
        found = header[position].lower() if position < len(header) else None
        accepted = {column.lower()}
        if column == "Strides":
            accepted |= {"stride", "stride height"}
        if found not in accepted:
            shown = "none" if found is None else repr(header[position])
            raise InputError(f"{where}, column {position + 1} must be {column!r}, not {shown}")
    return wanted


def _layer(row: Sequence[str], columns: tuple[str, ...], where: str) -> LayerSize:
    if not row[0]:
        raise InputError(f"{where}, column 1 must be the name of a layer, not empty")
    where = f"{where} ({row[0]})"
    values = [
        _number(row[i] if i < len(row) else "", f"{where}, column {i + 1} ({column})")
        for i, column in enumerate(columns, start=1)
    ]
    if columns is GEMM:
        m, n, k = values
        values = [m, k, 1, k, 1, n, 1]  # SCALE-Sim's own reading of a matrix product
    height, width, filter_height, filter_width, channels, filters, stride = values
    for what, size, limit in (("Height", filter_height, height), ("Width", filter_width, width)):
        if size > limit:
            raise InputError(
                f"{where}: Filter {what} must be at most the IFMAP's {limit}, not {size}"
            )
    depthwise = "DP" in row[0]
    return LayerSize(
        name=row[0],
        height=height,
        width=width,
        filter_height=filter_height,
        filter_width=filter_width,
        channels=1 if depthwise else channels,
        filters=filters,
        stride=stride,
        repeat=channels if depthwise else 1,
    )


def _number(text: str, what: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < LARGEST:
        return int(text)
    raise InputError(f"{what} must be a positive integer, not {text!r}")
