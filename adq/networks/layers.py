"""The trainer's layers: each makes one tensor of the integer program and carries its name.

Every layer computes in three modes (`Mode`); a frozen fakequant network is evaluated by `frozen`.
In fakequant mode a convolution works on activation codes and on weights in units of their step, so
that its sums are the integers of the program (exact in float32, in any order, once the codebook is
frozen); scales act on the few numbers of the batch norm instead of on maps.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..quantizers.uniform import UniformWeight
from ..quantizers.weight_quantizer import Step, WeightQuantizer
from ..ranks import BatchNorm, shared_batch_norm
from ..tensors import Mode, NotANumberError, Signal
from . import frozen, normed, winograd
from .geometry import Geometry

IntegerLayer = Callable[[Tensor, Tensor | None], Tensor]
THREE = Geometry(kernel=(3, 3), padding=(1, 1, 1, 1))


class Unit(nn.Module, ABC):
    """A module that makes one tensor of the program."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = Mode.FLOAT
        self.name = ""
        """The tensor it makes, set by the network; for messages."""
        self.prepared: IntegerLayer | None = None
        """The program's layer on torch integers, set by the network's ``load_program``."""

    def borrow(self, name: str, module: nn.Module) -> None:
        """Refer to a module of another unit: it stays in that one's state alone."""
        object.__setattr__(self, name, module)

    def forward(self, x: Signal, skip: Signal | None = None) -> Signal:
        """Signal (N, C, H, W) from the input and, where there is one, the residual."""
        if self.mode is Mode.INTEGER:
            assert self.prepared is not None  # the network changes the mode only with a program
            return Signal(self.prepared(x.data, None if skip is None else skip.data))
        computed = self.evaluate if x.format is not None and self.frozen else self.compute
        try:
            return computed(x, skip)
        except FloatingPointError as error:
            raise NotANumberError(f"Layer {self.name!r}: {error}") from error

    @property
    def frozen(self) -> bool:
        """Whether `evaluate` gives what is exported: nothing adapts, no gradient is asked for."""
        return not self.training

    @abstractmethod
    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        """The signal in float and fakequant mode, with gradients."""

    @abstractmethod
    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        """The codes that a frozen unit makes from codes, with the program's constants."""

    def codes(self, signal: Signal) -> Tensor:
        """The program's codes (int64) of ``signal``, which this unit made."""
        real = self.mode is not Mode.INTEGER and signal.format is None
        if self.stream is not None and real:
            return self.stream.codes(signal.data)
        return signal.data.detach().long()

    @property
    def stream(self) -> StreamQuantizer | None:
        """Quantizer of the residual stream that the unit makes; None if it makes other codes."""
        return None


class ReadActivation(Unit):
    """Threshold activation through which a convolution reads the residual stream."""

    def __init__(self, output: LowBitActivation) -> None:
        super().__init__()
        self.output = output

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        return self.output(x.real)

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        read = self.output(x.real)
        return read if self.output.refusal else self.output.signal(read.data)


def scaled_batch_norm(
    bn: BatchNorm, acc: Tensor, scale: Step, offset: Tensor | float = 0.0
) -> Tensor:
    """``bn(acc * scale + offset)`` without computing the scaled map.

    Batch norm is invariant to scale and offset but for eps and the running statistics: those are
    moved into units of the sums and back. scale: one number, or one per channel (C, 1, 1, 1).
    """
    if isinstance(scale, Tensor):
        scale = scale.flatten()
        if bn.training:  # torch takes one eps for all channels: this map has to be computed
            acc, scale = acc * scale.view(1, -1, 1, 1), 1.0
    mean, var = (bn.running_mean - offset) / scale, bn.running_var / scale**2
    eps = bn.eps / scale**2
    if isinstance(eps, Tensor):
        var, eps = var + eps, 0.0
    out = F.batch_norm(acc, mean, var, bn.weight, bn.bias, bn.training, bn.momentum, eps)
    if bn.training:
        with torch.no_grad():
            bn.running_mean.copy_(mean * scale + offset)
            bn.running_var.copy_(var * scale**2)
            bn.num_batches_tracked += 1
    return out


def affine(acc: Tensor, scale: Step, offset: Tensor | float) -> Tensor:
    """``acc * scale + offset``; scale: number or (C, 1, 1, 1), offset: number or (C,)."""
    if isinstance(scale, Tensor):
        scale = scale.view(1, -1, 1, 1)
    if isinstance(offset, Tensor):
        offset = offset.view(1, -1, 1, 1)
    return acc * scale + offset


class QuantConv2d(Unit):
    """Convolution with quantized weights, batch norm, optional residual, output quantizer.

    A linear layer is one whose kernel covers the map; its weights are a matrix (``flat``). Where a
    batch norm follows, a bias has no gradient in fakequant mode: the norm takes it out again.
    """

    bn: BatchNorm | None
    output: LowBitActivation | StreamQuantizer

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        quantizer: WeightQuantizer | UniformWeight,
        output: LowBitActivation | StreamQuantizer | None,
        geometry: Geometry = THREE,
        normed: bool = True,
        bias: bool = False,
        flat: bool = False,
    ) -> None:
        """``normed``: has a batch norm of its own; ``output`` None: it will `borrow` one."""
        super().__init__()
        self.geometry = geometry
        self.shape = (out_channels, in_channels // geometry.groups, *geometry.kernel)
        """Of the kernel, whatever the shape of its parameter."""
        stored = (out_channels, prod(self.shape[1:])) if flat else self.shape
        self.weight = nn.Parameter(torch.empty(stored))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.quantizer = quantizer
        self.bn = BatchNorm(out_channels) if normed else None
        self.shared = False
        """Whether batch statistics are those of all ranks (`ranks`)."""
        if output is not None:
            self.output = output
        self.watch: Callable[[Tensor], None] | None = None
        """Called with the sums of every pass in float or fakequant mode."""
        self.initialise_codebook()

    @property
    def stream(self) -> StreamQuantizer | None:
        return self.output if isinstance(self.output, StreamQuantizer) else None

    @property
    def kernel_weight(self) -> Tensor:
        """The weights (Cout, Cin / groups, kh, kw)."""
        return self.weight.view(self.shape)

    def quantized_weight(self) -> Tensor:
        """The float weight that the quantizer reads, (Cout, Cin / groups, kh, kw)."""
        return self.kernel_weight

    def initialise_codebook(self) -> None:
        """Start the codebook from the present weights; uniform weights need none."""
        if isinstance(self.quantizer, WeightQuantizer):
            self.quantizer.initialise(self.quantized_weight())

    def convolve(self, data: Tensor, weight: Tensor) -> Tensor:
        if winograd.applies(self.geometry, data, weight):
            return winograd.convolve(data, weight)
        sums = self.geometry.convolve(data, weight)
        # under autocast (`train.amp`) they were rounded to bfloat16; what follows is float32
        return sums.float() if sums.dtype == torch.bfloat16 else sums

    @property
    def pixels(self) -> tuple[Tensor, Tensor] | None:
        """Where the input are pixels: the code of zero and the exact zero, per channel."""
        return None

    def by_weight(self, values: Tensor) -> Tensor:
        """Numbers (1, Cin, 1, 1) of the input channels as each weight meets them."""
        groups = self.geometry.groups
        if groups == 1:
            return values
        each = values.view(groups, -1).repeat_interleave(self.shape[0] // groups, 0)
        return each.view(self.shape[0], -1, 1, 1)

    @property
    def frozen(self) -> bool:
        adapts = isinstance(self.quantizer, WeightQuantizer) and not self.quantizer.frozen
        refused = isinstance(self.output, LowBitActivation) and self.output.refusal
        learns = self.training or (self.bn is not None and self.bn.training)
        return not (learns or adapts or refused)

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        if skip is not None and skip.format is None:
            return self.compute(x, skip)
        return frozen.convolution(self, x, skip)

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        if self.mode is Mode.FLOAT:
            acc = self.convolve(x.data, self.kernel_weight)
            if self.bias is not None:
                acc = acc + self.bias.view(1, -1, 1, 1)
            self._show(acc)
            y = acc
            if self.bn is not None:
                y = self.normalise(acc, 1.0, 0.0) if self.shared else self.bn(acc)
        else:
            levels, step = self.quantizer(self.quantized_weight())
            acc = self.convolve(x.data, levels)
            self._show(acc)
            offset = self.offset(levels, step)
            if self.bias is not None:
                offset = offset + (self.bias if self.bn is None else self.bias.detach())
            scale = x.scale * step
            more = None if skip is None else skip.real
            made = None
            if not self.shared:
                made = normed.normed(self.bn, acc, scale, offset, self.output, more)
            if made is not None:
                return made
            y = self.normalise(acc, scale, offset)
        return self.output(y if skip is None else y + skip.real)

    def _show(self, acc: Tensor) -> None:
        if self.watch is not None:
            self.watch(acc)

    def normalise(self, acc: Tensor, scale: Step, offset: Tensor | float) -> Tensor:
        """Batch norm, if there is one, of ``acc * scale + offset``."""
        if self.bn is None:
            return affine(acc, scale, offset)
        # a pass that only renews the statistics (`calibrate`) is per rank
        shared = self.shared and self.training and self.bn.training
        return (shared_batch_norm if shared else scaled_batch_norm)(self.bn, acc, scale, offset)

    def offset(self, levels: Tensor, step: Step) -> Tensor | float:
        """Real value of the sum 0, per output channel."""
        return 0.0


class HiddenConv2d(QuantConv2d):
    """A convolution whose weights have a codebook."""

    quantizer: WeightQuantizer


class InputConv2d(QuantConv2d):
    """First layer: reads raw uint8 pixels in every mode, normalisation folded into the weights.

    Float mode computes ``conv((x / 255 - mean) / std)``. The integer program pads with the code
    nearest to real zero, ``round(255 * mean)``, and so does fakequant mode, by subtracting it.
    """

    mean: Tensor
    std: Tensor
    zero_code: Tensor

    def __init__(
        self, out_channels: int, *, mean: tuple[float, ...], std: tuple[float, ...],
        output: LowBitActivation | StreamQuantizer | None, geometry: Geometry = THREE,
        **parts: bool,
    ) -> None:  # fmt: skip
        """``parts``: as of `QuantConv2d`."""
        super().__init__(
            len(mean), out_channels, quantizer=UniformWeight(8), output=output,
            geometry=geometry, **parts,
        )  # fmt: skip
        # constants of the configuration: not state, hence absent from checkpoints
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1) * 255, persistent=False)
        self.register_buffer("zero_code", torch.round(self.mean), persistent=False)

    @property
    def pixels(self) -> tuple[Tensor, Tensor]:
        return self.zero_code, self.mean

    def quantized_weight(self) -> Tensor:
        return self.kernel_weight / self.by_weight(self.std)

    def convolve(self, data: Tensor, weight: Tensor) -> Tensor:
        pixels = data.to(weight.dtype)
        if self.mode is Mode.FLOAT:
            centred = (pixels - self.mean) / self.std
        else:
            centred = pixels - self.zero_code
        # all maps take the layout of the first one; channels last is faster on CPUs and GPUs
        return super().convolve(centred.contiguous(memory_format=torch.channels_last), weight)

    def offset(self, levels: Tensor, step: Step) -> Tensor:
        """Sum of the weights times the shift of the pixels by rounding the mean to a code."""
        shift = self.by_weight((self.zero_code - self.mean).double())
        return (levels.detach().double() * shift).sum((1, 2, 3)).mul(step).float()
