"""Shared by the quantizers: modes, the signal between layers, row views, per-segment sums."""

import ctypes
import sys
from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor

from ..spec.errors import InputError
from ..spec.formats import IntFormat


class Mode(Enum):
    """How a network computes: the same modules and the same ``forward`` in all three."""

    FLOAT = "float"
    """Ordinary floating point: the network the weights come from."""
    FAKEQUANT = "fakequant"
    """The graph the hardware computes, on integer-valued floats with gradients."""
    INTEGER = "integer"
    """The exported program, on integers only (after ``load_program``)."""


class NotANumberError(InputError):
    """A network computed NaN; the message names the layer."""


class Signal(NamedTuple):
    """A tensor between two layers: real value = ``data * scale``.

    ``data`` holds activation codes behind a threshold activation (``scale`` is then the value of
    one code), real values on the residual stream (``scale`` 1), and codes in integer mode.
    In the evaluation of a frozen network (`networks.frozen`) it holds codes everywhere, and
    ``format`` is theirs.
    """

    data: Tensor
    scale: float = 1.0
    format: IntFormat | None = None

    @property
    def real(self) -> Tensor:
        """The real values."""
        return self.data if self.scale == 1.0 else self.data * self.scale


def as_rows(x: Tensor, like: Tensor | None = None) -> Tensor:
    """(N, M) view of a batch ``x`` (N, ...), each row in the memory order of ``like``.

    Elementwise kernels do not care about the order, and a view costs nothing, whereas flattening
    would copy a channels-last map. `from_rows` undoes it.
    """
    if channels_last(x if like is None else like):
        maps = x.contiguous(memory_format=torch.channels_last)
        return maps.permute(0, 2, 3, 1).reshape(len(x), -1)
    return x.contiguous().view(len(x), -1)


def from_rows(rows: Tensor, like: Tensor) -> Tensor:
    """Give the result of a kernel on `as_rows` the shape and memory order of ``like``."""
    if channels_last(like):
        n, c, h, w = like.shape
        return rows.view(n, h, w, c).permute(0, 3, 1, 2)
    return rows.view(like.shape)


def channels_last(x: Tensor) -> bool:
    """Whether the map (N, C, H, W) lies with its channels last, and not with them first too."""
    return (
        x.dim() == 4
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def with_corners(codes: Tensor, corners: Tensor) -> Tensor:
    """``codes`` (N, C, H, W) that know the corners reached: each is half of them, rounded down.

    corners: uint8 (N, H, W, C). They are known to this tensor alone, not to what is made of it.
    """
    codes.corners = corners  # type: ignore[attr-defined]
    return codes


def corners_of(data: Tensor) -> Tensor | None:
    """What `with_corners` said of this very tensor; None for others."""
    return getattr(data, "corners", None)


class Bytes(NamedTuple):
    """Values on a grid of up to 256 steps from 0: value = numbers * unit, in float32."""

    numbers: Tensor
    """uint8 (N, H, W, C)."""
    unit: float


def with_bytes(values: Tensor, known: Bytes) -> Tensor:
    """``values`` (N, C, H, W) that know their bytes; these are known to this tensor alone."""
    values.bytes = known  # type: ignore[attr-defined]
    return values


def bytes_of(data: Tensor | None) -> Bytes | None:
    """What `with_bytes` said of this very tensor; None for others."""
    return getattr(data, "bytes", None)


def has_kernels(x: Tensor) -> bool:
    """True where the compiled CPU kernels apply; elsewhere plain torch computes the same."""
    return x.device.type == "cpu" and x.dtype == torch.float32


def segment_sums(index: Tensor, values: Tensor, count: int) -> Tensor:
    """Sum ``values`` (float64 result) by ``index`` in 0..count-1, bit-reproducibly, any device."""
    if values.device.type == "cpu":
        sums = torch.zeros(count, dtype=torch.float64)
        return sums.index_add_(0, index.flatten().int(), values.flatten().double())
    return row_sums(index.view(1, -1), values.reshape(1, 1, -1).double(), count)[0]


def row_sums(index: Tensor, values: Tensor, count: int) -> Tensor:
    """Sum ``values`` (R, V, M) by ``index`` (R, M) in 0..count-1: (V, count), float64.

    For GPUs: products with a one-hot matrix, row by row, where atomics would be neither fast (few
    bins) nor deterministic. Within a row the sums have the type of ``values``.
    """
    kinds = torch.arange(count, device=index.device, dtype=index.dtype)
    member = (index[..., None] == kinds).to(values.dtype)
    return torch.bmm(values, member).sum(0, dtype=torch.float64)


def running_sum(values: Tensor) -> Tensor:
    """Cumulative sum of a short vector; on GPUs without ``cumsum``, which is not deterministic."""
    return torch.cumsum(values, 0) if values.device.type == "cpu" else masked_sums(values)


def masked_sums(values: Tensor) -> Tensor:
    """Cumulative sum (K,) as K sums."""
    order = torch.arange(len(values), device=values.device)
    return torch.where(order[:, None] >= order, values, 0).sum(1)


def reuse_heap() -> bool:
    """Ask glibc to keep freed memory instead of returning it to the kernel after every tensor.

    A training step frees and allocates the same few hundred maps of some MiB each; by default each
    of them is mapped, page-faulted and unmapped again, which costs more than the arithmetic of the
    quantizers (measured: 22 ms against 3 ms for one activation of 2 M elements). Returns whether
    the allocator accepted; harmless and without effect on other platforms.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    return bool(mallopt(mmap_threshold, 32 << 20)) and bool(mallopt(trim_threshold, 2**31 - 1))
