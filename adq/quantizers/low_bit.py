"""Interface of low-bit activations for layers, calibration and export."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ...spec.activation import MAX_ACT_WIDTH
from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ..tensors import Mode, Signal
from .stream import MIN_STEP


def upper_quantile(values: Tensor, share: float) -> float:
    """Smallest value that at least ``share`` of the ``values`` do not exceed."""
    if not 0 < share <= 1:
        raise InputError(f"Quantile must be in (0, 1], not {share}")
    rank = min(len(values), max(1, int(share * len(values) + 0.5)))
    return float(torch.kthvalue(values, rank).values)


class LowBitActivation(nn.Module, ABC):
    """Base: real map to codes 0..``count`` of ``act_width`` bits, shared by all channels.

    In float mode it is a ReLU: the clip at zero of the quantizer, without the quantizer.
    """

    refusal: str | None = None
    """Why there is no integer program with this activation; None if there is one."""

    def __init__(self, act_width: int) -> None:
        super().__init__()
        if not 1 <= act_width <= MAX_ACT_WIDTH:
            raise InputError(
                f"Threshold activation width must be in 1..{MAX_ACT_WIDTH}, not {act_width}"
            )
        self.act_width, self.mode = act_width, Mode.FLOAT
        self.clip: float | None = None
        """Largest value in float mode, where the range starts; None: no limit."""
        self.count = 2**act_width - 1

    @abstractmethod
    def initialise(self, high: float) -> None:
        """Start with the largest code standing for about ``high`` (units of the input)."""

    def initialise_from(self, values: Tensor, share: float) -> None:
        """Start from a sample of non-negative inputs: ``share`` of them in range."""
        high = upper_quantile(values, share)
        self.initialise(self.clipped(high if high > 0 else 1.0))

    @property
    def scale(self) -> float:
        """Value of one code in units of the input; an activation with a ``refusal`` has none."""
        raise InputError(f"Activation must have {self.refusal}")

    def real_thresholds(self) -> Tensor:
        """The inputs (``count``,), or (channels, ``count``), at which the code rises, float64."""
        raise InputError(f"Activation must have {self.refusal}")

    def shaped(self, x: Tensor) -> Tensor:
        """Value compared with ``bounds``: the input, or a rising function of it per channel."""
        return x

    def bounds(self) -> Tensor:
        """Thresholds (``count``,) of ``shaped`` inputs, float64, ascending."""
        return self.real_thresholds()

    def signal(self, codes: Tensor) -> Signal:
        """Signal of whole ``codes`` (float32) of a frozen network."""
        return Signal(codes, self.scale, IntFormat(width=self.act_width))

    @torch.no_grad()
    def codes(self, values: Tensor) -> Tensor:
        """Codes (int64) of a vector of real ``values``, by the forward pass itself."""
        device = next(self.parameters()).device
        return self.quantize(values.to(device).view(1, -1)).data.view(-1).long().cpu()

    @abstractmethod
    def quantize(self, x: Tensor) -> Signal:
        """Map (N, ...) to the signal that the next convolution reads."""

    def forward(self, x: Tensor) -> Signal:
        """Map of real values to a signal of codes."""
        if self.mode is not Mode.FLOAT:
            return self.quantize(x)
        return Signal(torch.relu(x) if self.clip is None else x.clamp(0.0, self.clip))

    def clipped(self, high: float) -> float:
        """The end of a range that starts at ``high``."""
        return high if self.clip is None else min(high, self.clip)

    def grad_factor(self, x: Tensor) -> float:
        """LSQ's gradient scale 1/sqrt(N * Qp), N = features: the loss is a mean over the batch."""
        return (max(x[0].numel(), 1) * self.count) ** -0.5


class LearnedStep(LowBitActivation):
    """An activation with the learned step ``step`` of LSQ (docs/papers.md 5.1)."""

    def __init__(self, act_width: int) -> None:
        super().__init__(act_width)
        self.step = nn.Parameter(torch.tensor(1.0 / self.count))

    @torch.no_grad()
    def initialise(self, high: float) -> None:
        self.step.fill_(max(high / self.count, MIN_STEP))

    def initialise_from(self, values: Tensor, share: float) -> None:
        """LSQ's own start: ``2 * mean|x| / sqrt(Qp)``."""
        mean = float(values.mean())
        self.initialise(self.clipped((2 * mean if mean > 0 else 1.0) * self.count**0.5))
