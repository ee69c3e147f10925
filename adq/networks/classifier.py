"""The last layer: 8-bit weights, sums as logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..quantizers.uniform import RoundToStep, UniformWeight
from ..tensors import Mode, Signal
from .layers import Unit


class QuantLinear(Unit):
    """Classifier: codes (N, C, 1, 1) to sums (N, K, 1, 1), the bias in units of the sums too."""

    def __init__(self, in_features: int, classes: int) -> None:
        super().__init__()
        bound = in_features**-0.5
        self.weight = nn.Parameter(torch.empty(classes, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.quantizer = UniformWeight(8)
        self.output = None

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        data = x.data.flatten(1)
        if self.mode is Mode.FLOAT:
            return Signal(F.linear(data, self.weight, self.bias)[..., None, None])
        levels, bias, scale = self.quantized(x.scale)
        # not multiplied by the scale yet: integers keep their ties, hence the same top-1
        with torch.autocast(data.device.type, enabled=False):  # 640 products: nothing to save
            return Signal(F.linear(data, levels, bias)[..., None, None], scale)

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        levels, bias, scale = self.quantized(x.scale)
        sums = F.linear(x.data.flatten(1).double(), levels.double(), bias.double())
        return Signal(sums[..., None, None], scale)

    def quantized(self, in_scale: float) -> tuple[Tensor, Tensor, float]:
        """Levels, bias in units of the sums, and the real value of a sum of 1."""
        levels, step = self.quantizer(self.weight)
        return levels, RoundToStep.apply(self.bias, in_scale * step), in_scale * step
