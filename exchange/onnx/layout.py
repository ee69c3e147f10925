"""Layout operators as arithmetic on positions: which element of a program's map stands where.

A tensor of the file holds elements of one map (C, H, W) of the program in some order and shape.
`View.index` has the tensor's own shape and the flat position of each element (-1: padding), so
Reshape, Flatten, Transpose, Squeeze, Slice, Split, Pad and their chains are NumPy on `index`, and
nothing has to know which layout the file uses. What reads a view asks it for what it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ...spec.errors import InputError
from ...spec.formats import Int64Array
from .graph import Array, Node

PADDING = -1

Map = tuple[int, int, int]
Edges = tuple[int, int, int, int]
"""Top, left, bottom, right."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Elements of a map (C, H, W), arranged as a tensor of the file (with a batch of 1)."""

    shape: Map
    index: Int64Array

    @classmethod
    def whole(cls, shape: Map, logical: tuple[int, ...] | None = None) -> "View":
        """The map itself, as (1, C, H, W) or as the logical shape of as many elements."""
        index = np.arange(prod(shape), dtype=np.int64)
        return cls(shape=shape, index=index.reshape((1, *shape) if logical is None else logical))

    @property
    def channels(self) -> Int64Array:
        """Channel of each element, -1 for padding."""
        size = self.shape[1] * self.shape[2]
        return np.where(self.index < 0, PADDING, self.index // size)

    @property
    def is_map(self) -> bool:
        """Whether it is the map itself, as (1, C, H, W), or (1, C, W) of a map of one row."""
        return (
            self.index.ndim in (3, 4)
            and self.index.shape[:2] == (1, self.shape[0])
            and self.is_whole
            and self.index.shape[2:] in (self.shape[1:], self.shape[2:])
        )

    @property
    def is_whole(self) -> bool:
        """Whether it holds every element once, in order."""
        return bool(
            self.index.size == prod(self.shape)
            and np.array_equal(self.index.reshape(-1), np.arange(prod(self.shape)))
        )

    def framed(self) -> "tuple[View, Edges] | None":
        """A map with a frame of padding as (map, edges); None where it is nothing such."""
        if self.index.ndim not in (3, 4) or self.index.shape[:2] != (1, self.shape[0]):
            return None
        planes = self.index.reshape(self.shape[0], -1, self.index.shape[-1])
        inside = np.argwhere((planes >= 0).any(axis=0))
        if not inside.size:
            return None
        (top, left), (last, end) = inside.min(axis=0), inside.max(axis=0)
        kept = planes[:, top : last + 1, left : end + 1]
        inner = replace(self, index=kept[None] if self.index.ndim == 4 else kept[None, :, 0])
        edges = (top, left, planes.shape[1] - 1 - last, planes.shape[2] - 1 - end)
        if not inner.is_map or (planes >= 0).sum() != kept.size:
            return None
        return inner, (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3]))

    def rows(self) -> "Int64Array | None":
        """For a matrix product over the last axis: (K,) order of the elements that a row reads.

        A row that is the whole tensor gives positions in the map; rows at each pixel (channels
        last) give channels. None where rows are neither.
        """
        return self.index.reshape(-1) if prod(self.index.shape[:-1]) == 1 else None

    def pixels(self) -> bool:
        """Whether it is the map with channels last: each row along the last axis is one pixel."""
        channels, height, width = self.shape
        if self.index.shape[-1] != channels or self.index.size != prod(self.shape):
            return False
        flat = np.arange(prod(self.shape)).reshape(channels, height * width).T
        return bool(np.array_equal(self.index.reshape(-1, channels), flat))


def apply(node: Node, view: View, constant: Callable[[str], Array | None]) -> View:
    """The view that a layout operator gives; constant: value of an input, None if not constant."""
    index = LAYOUT[node.op](node, view.index, _Parameters(node, constant))
    if not index.size:
        raise node.refuse("result must have elements", f"shape {index.shape}")
    return replace(view, index=np.ascontiguousarray(index))


class _Parameters:
    """Integer parameters that are attributes in old opsets and inputs in new ones."""

    def __init__(self, node: Node, constant: Callable[[str], Array | None]) -> None:
        self._node, self._constant = node, constant

    def get(self, i: int, key: str) -> tuple[int, ...] | None:
        name = self._node.optional(i)
        if name is None:
            return self._node.integers(key, ()) if key in self._node.attributes else None
        values = self._constant(name)
        if values is None or values.dtype.kind not in "iu":
            raise self._node.refuse(f"{key} must be constant integers", f"tensor {name!r}")
        return tuple(int(x) for x in values.reshape(-1))


def _reshape(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    sizes = given.get(1, "shape")
    if sizes is None:
        raise node.refuse("shape must be given", "missing")
    if not node.integer("allowzero", 0):
        old = index.shape
        sizes = tuple(
            old[i] if size == 0 and i < len(old) else size for i, size in enumerate(sizes)
        )
    return index.reshape(sizes)


def _flatten(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    axis = _axis(node, node.integer("axis", 1), index.ndim + 1)
    return index.reshape(prod(index.shape[:axis]), -1)


def _transpose(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    return index.transpose(node.integers("perm", reversed(range(index.ndim))))


def _squeeze(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    axes = given.get(1, "axes")
    if axes is None:
        return index.reshape([x for x in index.shape if x != 1])
    return index.squeeze(tuple(_axis(node, a, index.ndim) for a in axes))


def _unsqueeze(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    return np.expand_dims(index, given.get(1, "axes") or ())


def _slice(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    starts, ends = given.get(1, "starts"), given.get(2, "ends")
    if starts is None or ends is None or len(starts) != len(ends):
        raise node.refuse("starts and ends must be given", "missing")
    axes = given.get(3, "axes") or tuple(range(len(starts)))
    steps = given.get(4, "steps") or (1,) * len(starts)
    cut = [slice(None)] * index.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = index.shape[_axis(node, axis, index.ndim)]
        first = max(start + size, 0) if start < 0 else min(start, size)
        last: int | None = end + size if end < 0 else min(end, size)
        if step < 0:
            first = min(first, size - 1)
            last = None if end < -size else last
        cut[axis] = slice(first, last, step)
    return index[tuple(cut)]


def _pad(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    pads = given.get(1, "pads")
    if node.text("mode", "constant") != "constant" or pads is None:
        raise node.refuse("mode must be constant", node.text("mode", "constant"))
    axes = given.get(3, "axes") or tuple(range(index.ndim))
    if len(pads) != 2 * len(axes) or min(pads) < 0:
        raise node.refuse(f"pads must be {2 * len(axes)} numbers >= 0", str(pads))
    widths = [(0, 0)] * index.ndim
    for i, axis in enumerate(axes):
        widths[_axis(node, axis, index.ndim)] = (pads[i], pads[len(axes) + i])
    return np.pad(index, widths, constant_values=PADDING)


def _same(node: Node, index: Int64Array, given: _Parameters) -> Int64Array:
    return index


def _axis(node: Node, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise node.refuse(f"axis must be in {-rank}..{rank - 1}", str(axis))
    return axis % rank


LAYOUT: dict[str, Callable[[Node, Int64Array, _Parameters], Int64Array]] = {
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze, "Slice": _slice, "Pad": _pad, "Identity": _same, "Dropout": _same,
}  # fmt: skip
"""Operators that only move elements; Pad's value is a matter of the dialect."""


def selection(view: View) -> tuple[Int64Array, tuple[int, int], Edges]:
    """(levels (C', C, kh, kw), stride, padding) of a convolution of levels 0 and 1 that moves
    elements as the view does: channels chosen, repeated or left out, rows and columns in steps.

    Refuses what no convolution does (e.g. a transposition of channels with columns).
    """
    channels, height, width = view.shape
    index = view.index
    if index.ndim == 3:
        index = index[:, :, None, :]
    if index.ndim != 4 or index.shape[0] != 1:
        raise InputError("elements must be moved within maps (1, C, H, W)")
    planes = index[0]
    used = [c for c in range(len(planes)) if (planes[c] >= 0).any()]
    if not used:
        raise InputError("elements must come from a map, not be padding alone")
    y, x = (planes[used[0]] % (height * width)) // width, planes[used[0]] % width
    stride = (_step(y[:, 0]), _step(x[0]))
    first = int(y[0, 0]), int(x[0, 0])
    out_h, out_w = planes.shape[1:]
    kernel = height - (out_h - 1) * stride[0], width - (out_w - 1) * stride[1]
    levels = np.zeros((len(planes), channels, *kernel), np.int64)
    for c in used:
        levels[(c, int(planes[c, 0, 0]) // (height * width), *first)] = 1
    wanted = _moved(levels, stride, view.shape, planes.shape)
    if not np.array_equal(wanted, planes):
        raise InputError("elements must be moved by whole channels, rows and columns in steps")
    return levels, stride, (0, 0, 0, 0)


def _step(positions: Int64Array) -> int:
    return int(positions[1] - positions[0]) if len(positions) > 1 else 1


def _moved(
    levels: Int64Array, stride: tuple[int, int], shape: Map, out: tuple[int, ...]
) -> Int64Array:
    """Positions that the selecting convolution reads, to be compared with the wanted ones."""
    found = np.full(out, PADDING, np.int64)
    for c, source, y, x in np.argwhere(levels):
        rows = y + stride[0] * np.arange(out[1])
        columns = x + stride[1] * np.arange(out[2])
        found[c] = source * shape[1] * shape[2] + rows[:, None] * shape[2] + columns
    return found
