"""Pooling units: the maximum of a stream, and the global average with its own quantizer."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..integers import constants
from ..quantizers.stream import StreamQuantizer
from ..quantizers.uniform import RoundToStep
from ..tensors import Mode, Signal
from . import frozen
from .layers import Unit


class MaxPool(Unit):
    """Max pooling of a stream: codes rise with values, so it acts on both."""

    def __init__(self, source: StreamQuantizer, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self._source = (source,)  # of another unit: in a tuple it is no submodule of this one
        self.window = kernel, stride, padding

    @property
    def stream(self) -> StreamQuantizer:
        """Quantizer of the stream, which pooling leaves as it is."""
        return self._source[0]

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        return x._replace(data=max_pool(x.data, *self.window))

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        return self.compute(x, skip)


def max_pool(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Largest value of each window; on GPUs by shifted maps, whose gradient is deterministic."""
    if not x.is_cuda:
        return F.max_pool2d(x, kernel, stride, padding)
    return max_of_shifts(x, kernel, stride, padding)


def max_of_shifts(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """The same maximum, from the ``kernel**2`` strided maps."""
    height, width = ((n + 2 * padding - kernel) // stride + 1 for n in x.shape[2:])
    padded = F.pad(x, (padding,) * 4, value=float("-inf"))
    best = None
    for row in range(kernel):
        for column in range(kernel):
            shifted = padded[:, :, row::stride, column::stride][:, :, :height, :width]
            best = shifted if best is None else torch.maximum(best, shifted)
    assert best is not None  # kernel >= 1
    return best


class GlobalPool(Unit):
    """Global average pool and its own 8-bit quantizer; (N, C, H, W) to codes (N, C, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.output = StreamQuantizer()

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        values = self.output(x.real.mean((2, 3), keepdim=True)).data
        if self.mode is Mode.FLOAT:
            return Signal(values)
        step = self.output.real_step
        return Signal(RoundToStep.apply(values, step), step)

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        assert x.format is not None
        window = x.data[0, 0].numel()
        requant = constants.pool_requant(
            self.output, step=x.scale, source=x.format, window=window, name=self.name
        )
        acc = x.data.sum((2, 3), keepdim=True, dtype=torch.float64)
        return frozen.requantized(self.output, acc, requant)
