"""Windows of convolutions and pools on torch maps: strides, paddings and dilations of any kind."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...spec.windows import Pair, Sides

ONEDNN_BLOCK = 16
"""Channels below which oneDNN 3.12 (torch 2.13) writes beyond its buffers in the gradient of a
strided 1x1 convolution (oneDNN issue 6035: 8 with AVX2, 16 with AVX512)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """Of a convolution or pool; pairs are (vertical, horizontal)."""

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    """(top, left, bottom, right)."""
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def even(self) -> Pair | None:
        """Padding (vertical, horizontal) where opposite sides are equal, else None."""
        top, left, bottom, right = self.padding
        return (top, left) if (top, left) == (bottom, right) else None

    def padded(self, data: Tensor, value: float = 0.0) -> Tensor:
        """The map (N, C, H, W) with its padding."""
        if not any(self.padding):
            return data
        top, left, bottom, right = self.padding
        return F.pad(data, (left, right, top, bottom), value=value)

    def convolve(self, data: Tensor, weight: Tensor) -> Tensor:
        """Sums of ``data`` (N, Cin, H, W) with ``weight`` (Cout, Cin / groups, kh, kw)."""
        stride, padding = self.stride, self.even
        if padding is None:
            data, padding = self.padded(data), (0, 0)
        single = tuple(weight.shape[2:]) == (1, 1) and padding == (0, 0)
        if single and max(stride) > 1 and weight.shape[1] < ONEDNN_BLOCK:
            # a 1x1 window reads each stride-th pixel: the same sums without oneDNN's stride
            data, stride = data[:, :, :: stride[0], :: stride[1]], (1, 1)
        return F.conv2d(
            data, weight, stride=stride, padding=padding, dilation=self.dilation,
            groups=self.groups,
        )  # fmt: skip

    def columns(self, data: Tensor) -> Tensor:
        """What each window reads: (N, Cin * kh * kw, windows)."""
        data, padding = (data, self.even) if self.even else (self.padded(data), (0, 0))
        return F.unfold(data, self.kernel, self.dilation, padding, self.stride)

    def largest(self, data: Tensor) -> Tensor:
        """Largest value of each window; on GPUs by shifted maps: a deterministic gradient."""
        if data.is_cuda:
            return self.largest_of_shifts(data)
        even = self.even
        if even is None or any(2 * p > k for p, k in zip(even, self.kernel, strict=True)):
            data, even = self.padded(data, float("-inf")), (0, 0)
        return F.max_pool2d(data, self.kernel, self.stride, even)

    def largest_of_shifts(self, data: Tensor) -> Tensor:
        """The same maximum, from the strided maps of each position of the window."""
        padded = self.padded(data, float("-inf"))
        sizes = zip(padded.shape[2:], self.kernel, self.stride, strict=True)
        height, width = ((n - k) // s + 1 for n, k, s in sizes)
        best = None
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                shifted = padded[:, :, row :: self.stride[0], column :: self.stride[1]]
                shifted = shifted[:, :, :height, :width]
                best = shifted if best is None else torch.maximum(best, shifted)
        assert best is not None  # kernel >= 1
        return best
