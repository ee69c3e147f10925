"""Units without weights: pools, sums of tensors, and units that pass codes on as they are."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...spec.windows import Pair
from ..integers import constants
from ..quantizers.stream import StreamQuantizer
from ..quantizers.uniform import RoundToStep
from ..ranks import BatchNorm, shared_batch_norm
from ..tensors import Mode, Signal
from . import frozen
from .geometry import Geometry
from .layers import Unit, scaled_batch_norm


class PassingUnit(Unit):
    """A unit whose codes are some of its input's: they have the same step."""

    def __init__(self, source: Unit) -> None:
        super().__init__()
        self._source = (source,)  # another unit: in a tuple it is no submodule of this one

    @property
    def stream(self) -> StreamQuantizer | None:
        """Quantizer of the stream that is passed on."""
        return self._source[0].stream

    def passed(self, data: Tensor) -> Tensor:
        """The map that it makes, of codes or of values."""
        return data

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        return x._replace(data=self.passed(x.data))

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        return self.compute(x, skip)


class MaxPool(PassingUnit):
    """Max pooling: codes rise with values, so it acts on both."""

    def __init__(self, source: Unit, geometry: Geometry) -> None:
        super().__init__(source)
        self.geometry = geometry

    def passed(self, data: Tensor) -> Tensor:
        return self.geometry.largest(data)


class Upsample(PassingUnit):
    """Nearest neighbour: every position ``factor`` times."""

    def __init__(self, source: Unit, factor: Pair) -> None:
        super().__init__(source)
        self.factor = factor

    def passed(self, data: Tensor) -> Tensor:
        down, across = self.factor
        return data.repeat_interleave(down, 2).repeat_interleave(across, 3)


class Concat(PassingUnit):
    """Channels of several tensors, which the network has put one after the other (`together`)."""


def together(signals: list[Signal]) -> Signal:
    """Several tensors of one step as one signal: their channels one after the other."""
    first = signals[0]
    if all(x.scale == first.scale and x.format == first.format for x in signals):
        return first._replace(data=torch.cat([x.data for x in signals], 1))
    # codes of an average beside values of a stream, in training
    return Signal(torch.cat([x.real for x in signals], 1))


class AveragePool(Unit):
    """Averages of windows with an 8-bit quantizer of their own; (N, C, H, W) to codes.

    With a window of 1 x 1 it gives codes another step, through a batch norm where it has one, and
    with a residual it adds two tensors. Without a quantizer the plain sums are the result.
    """

    output: StreamQuantizer | None
    bn: BatchNorm | None
    mean: Tensor
    std: Tensor

    def __init__(
        self, output: StreamQuantizer | None, *, geometry: Geometry | None = None,
        normed: int = 0, pixels: tuple[Tensor, Tensor] | None = None,
    ) -> None:  # fmt: skip
        """output: None if the unit will `borrow` one, or if it makes plain sums.

        geometry: None averages the whole map; normed: channels of a batch norm of its own.

        pixels: mean and deviation (1, C, 1, 1) of the codes, where these are the network's input.
        """
        super().__init__()
        self.geometry = geometry
        self.output = output
        self.bn = BatchNorm(normed) if normed else None
        self.shared = False
        self.window = 1
        """Positions of a window, known from the first map on if it is the whole one."""
        if geometry is not None:
            self.window = geometry.kernel[0] * geometry.kernel[1]
        for name, values in zip(("mean", "std"), pixels or (), strict=False):
            self.register_buffer(name, values, persistent=False)
        self.reads_pixels = pixels is not None

    @property
    def pixels(self) -> tuple[Tensor, Tensor] | None:
        """Where the input are pixels: their mean and deviation, per channel, in codes."""
        return (self.mean, self.std) if self.reads_pixels else None

    @property
    def frozen(self) -> bool:
        return not (self.training or (self.bn is not None and self.bn.training))

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        data = x.real
        if self.pixels is not None:
            data = (data - self.mean) / self.std
        data = self._averaged(data)
        if self.bn is not None:
            shared = self.shared and self.training and self.bn.training
            data = (shared_batch_norm if shared else scaled_batch_norm)(self.bn, data, 1.0, 0.0)
        if skip is not None:
            data = data + skip.real
        if self.output is None:
            return Signal(data)
        values = self.output(data).data
        if self.mode is Mode.FLOAT:
            return Signal(values)
        step = self.output.real_step
        return Signal(RoundToStep.apply(values, step), step)

    def _averaged(self, data: Tensor) -> Tensor:
        if self.geometry is None or self.geometry.kernel == tuple(data.shape[2:]):
            return data.mean((2, 3), keepdim=True) if data[0, 0].numel() > 1 else data
        if self.window == 1:
            return data
        return F.avg_pool2d(data, self.geometry.kernel, self.geometry.stride)

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        assert x.format is not None
        acc = self._summed(x.data)
        if self.output is None:
            return Signal(acc, x.scale / self.window)
        residual = None
        if skip is not None:
            assert skip.format is not None
            residual = skip.scale, skip.format
        codes = x.scale, x.format
        requant = constants.average_requant(self, self.output, codes, residual=residual)
        return frozen.requantized(self.output, acc, requant, skip)

    def _summed(self, codes: Tensor) -> Tensor:
        """Sums of windows, float64."""
        if self.geometry is None or self.geometry.kernel == tuple(codes.shape[2:]):
            self.window = codes[0, 0].numel()
            return codes.sum((2, 3), keepdim=True, dtype=torch.float64)
        if self.window == 1:
            return codes.double()
        return F.avg_pool2d(
            codes.double(), self.geometry.kernel, self.geometry.stride, divisor_override=1
        )
