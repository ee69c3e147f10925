"""Topologies: networks as SCALE-Sim writes them, a CSV file of layer sizes.

Two forms, told apart by the header, their first columns in this order:

    Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width,
        Channels, Num Filter, Strides,      (one line)
    Layer, M, N, K,

The sizes are those after padding: a map of 224 x 224 gives SCALE-Sim ceil((224 - 7 + 2) / 2) = 110
rows under a filter of 7 with stride 2, an overhanging window included. A name with `DP` in it is a
depth-wise layer: one layer per channel. Columns behind those are read by name (`topology_columns`).
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.reading import read_text
from ...spec.host.text import one_line, shown
from .columns import Columns, columns_of

MAX_BYTES = 8 << 20
MAX_LAYERS = 5_000
"""Networks have hundreds; a layer costs about a millisecond, and its row of a table as much."""
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
    """From window to window of a column, and of a row unless `stride_width` is given."""
    stride_width: int | None = None
    repeat: int = 1
    """How often in a row: the channels of a depth-wise layer."""

    @property
    def out_height(self) -> int:
        return -(-(self.height - self.filter_height) // self.stride) + 1

    @property
    def stride_across(self) -> int:
        """From window to window of a row."""
        return self.stride if self.stride_width is None else self.stride_width

    @property
    def out_width(self) -> int:
        return -(-(self.width - self.filter_width) // self.stride_across) + 1

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

    def as_product(self) -> "LayerSize":
        """The same layer with everything that one output reads in its channels, if it can be.

        Where the filter spans the map (in one direction or both) and is a single element in the
        other direction, no two outputs share an operand: the layer is a matrix product, however it
        is written - K in the filter's width, in its height, in the channels or in all of them. One
        that is neither, or is depth-wise, is returned as it is.
        """
        down, across = self.filter_height == self.height, self.filter_width == self.width
        whole = (down or self.filter_height == 1) and (across or self.filter_width == 1)
        if not whole or self.repeat > 1:
            return self
        step = self.stride_across
        return replace(
            self,
            height=1 if down else self.height,
            width=1 if across else self.width,
            filter_height=1,
            filter_width=1,
            channels=self.window,
            stride=step if down else self.stride,
            stride_width=None if down or across else self.stride_width,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """Layers in order; their connections are unknown."""

    name: str
    layers: tuple[LayerSize, ...]


def load_topology(path: str | Path) -> Topology:
    """The topology in the file `path`; a bad field is refused with its row and column."""
    return parse_topology(read_text(path, "Topology", MAX_BYTES), Path(path).name)


def parse_topology(text: str, name: str) -> Topology:
    """The topology in the CSV `text`; `name` is the file's."""
    what = f"Topology {shown(name)}"
    rows = _rows(text, what)
    _, header = next(rows, (1, []))
    if not any(header):
        raise InputError(f"{what} must have a header in row 1, not an empty one")
    columns = columns_of(header, f"{what}, row 1")
    layers: list[LayerSize] = []
    for number, row in rows:
        if not any(row):  # blank, or commas only
            continue
        if len(layers) == MAX_LAYERS:
            raise InputError(f"{what} must have at most {MAX_LAYERS:,} layers, not more")
        layers.append(_layer(row, columns, f"{what}, row {number}"))
    if not layers:
        raise InputError(f"{what} must have at least one layer, not none")
    return Topology(name=Path(name).stem, layers=tuple(layers))


def _rows(text: str, what: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every row; a quoted cell may span lines, its row has the first's number.

    Quoting is strict: a quote that is never closed would take the rest of the file for one name.
    """
    reader = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
    number = 1
    try:
        for row in reader:
            yield number, [cell.strip() for cell in row]
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{what}, row {number} must be CSV: {one_line(error)}") from error


def _layer(row: list[str], columns: Columns, where: str) -> LayerSize:
    name = row[0]
    if not name:
        raise InputError(f"{where}, column 1 must be the name of a layer, not empty")
    where = f"{where} ({shown(name)[1:-1]})"
    sizes = [
        _number(row[i] if i < len(row) else "", f"{where}, column {i + 1} ({column})")
        for i, column in enumerate(columns.sizes, start=1)
    ]
    if columns.product:
        m, n, k = sizes
        sizes = [m, k, 1, k, 1, n, 1]  # SCALE-Sim's own reading of a matrix product
    columns.refuse_others(row, where)
    at = columns.stride_width
    across = _number(row[at], f"{where}, column {at + 1} (Stride Width)") if at else None
    height, width, filter_height, filter_width, channels, filters, stride = sizes
    for what, size, limit in (("Height", filter_height, height), ("Width", filter_width, width)):
        if size > limit:
            raise InputError(
                f"{where}: Filter {what} must be at most the IFMAP's {limit}, not {size}"
            )
    depthwise = "DP" in name
    return LayerSize(
        name=name,
        height=height,
        width=width,
        filter_height=filter_height,
        filter_width=filter_width,
        channels=1 if depthwise else channels,
        filters=filters,
        stride=stride,
        stride_width=None if across == stride else across,
        repeat=channels if depthwise else 1,
    )


def _number(text: str, what: str) -> int:
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")
        if len(digits) <= len(str(LARGEST)) and 0 < int(digits or "0") < LARGEST:
            return int(digits)
        if digits:
            raise InputError(f"{what} must be below 2^31, not {shown(text)}")
    raise InputError(f"{what} must be a positive integer, not {shown(text)}")
