"""The last layer: 8-bit weights, sums as logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..quantizers.uniform import RoundToStep, UniformWeight
from ..tensors import Mode, Signal
from .geometry import Geometry
from .layers import Unit


class QuantLinear(Unit):
    """Classifier: codes to sums (N, K, H, W), the bias in units of the sums too.

    Weights are a matrix (K, inputs) that reads the whole map, in the order of its channels; with a
    ``geometry`` they are the kernel (K, Cin / groups, kh, kw) of a convolution.
    """

    def __init__(
        self, in_features: int, classes: int, *, bias: bool = True,
        geometry: Geometry | None = None,
    ) -> None:  # fmt: skip
        """in_features: inputs of one sum; of a convolution, the channels of its source."""
        super().__init__()
        self.geometry = geometry
        self.depth: tuple[int, ...] = (in_features,)
        if geometry is not None:
            self.depth = in_features // geometry.groups, *geometry.kernel
        weight = torch.empty(classes, *self.depth)
        bound = weight[0].numel() ** -0.5
        self.weight = nn.Parameter(weight.uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(classes)) if bias else None
        self.quantizer = UniformWeight(8)
        self.output = None

    def sums(self, data: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Maps (N, K, H, W) of sums."""
        if self.geometry is None:
            return F.linear(data.flatten(1), weight, bias)[..., None, None]
        acc = self.geometry.convolve(data, weight)
        return acc if bias is None else acc + bias.view(1, -1, 1, 1)

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        if self.mode is Mode.FLOAT:
            return Signal(self.sums(x.data, self.weight, self.bias))
        levels, bias, scale = self.quantized(x.scale)
        if x.scale == 1.0 and self.bias is not None:  # values of a stream, whose sums are no codes'
            bias = self.bias / scale
        # not multiplied by the scale yet: integers keep their ties, hence the same top-1
        with torch.autocast(x.data.device.type, enabled=False):  # 640 products: nothing to save
            return Signal(self.sums(x.data, levels, bias), scale)

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        levels, bias, scale = self.quantized(x.scale)
        bias = None if bias is None else bias.double()
        return Signal(self.sums(x.data.double(), levels.double(), bias), scale)

    def quantized(self, in_scale: float) -> tuple[Tensor, Tensor | None, float]:
        """Levels, bias in units of the sums, and the real value of a sum of 1."""
        levels, step = self.quantizer(self.weight)
        scale = in_scale * step
        return levels, None if self.bias is None else RoundToStep.apply(self.bias, scale), scale
