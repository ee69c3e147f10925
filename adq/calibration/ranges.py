"""Ends of activation ranges and stream steps, from pairs of quantized-path and float values."""

import torch
from torch import Tensor

from ..quantizers.low_bit import LowBitActivation, upper_quantile
from ..quantizers.stream import StreamQuantizer
from .config import CalibrationConfig

Quantizer = LowBitActivation | StreamQuantizer
CANDIDATES = 48
"""Ends that are compared, evenly between a twentieth of the largest value and itself."""
SAMPLES = 1 << 18
"""Values of a map that are looked at, of all images together."""


def sampled(maps: list[Tensor]) -> Tensor:
    """Every k-th value of the maps, so that there are about `SAMPLES`."""
    count = sum(part.numel() for part in maps)
    step = max(1, count // SAMPLES)
    return torch.cat([part.reshape(-1)[::step] for part in maps])


def codes_of(quantizer: Quantizer) -> tuple[int, int]:
    """Lowest and highest code."""
    if isinstance(quantizer, StreamQuantizer):
        return quantizer.low, quantizer.high
    return 0, quantizer.count


def set_range(
    quantizer: Quantizer, values: Tensor, targets: Tensor, config: CalibrationConfig, *,
    preferred: float | None = None,
) -> float:  # fmt: skip
    """Choose the value of the largest code; returns it.

    values: what the quantizer will read; targets: the float network's values in the same places.
    preferred: an end that is taken unless another one is better.
    """
    low, high = codes_of(quantizer)
    signed = low < 0
    if config.ranges == "quantile":
        read = isinstance(quantizer, LowBitActivation)
        share = config.act_quantile if read else config.stream_quantile
        end = upper_quantile(values.abs() if signed else values.relu(), share)
    else:
        end = least_error(values, targets if signed else targets.relu(), low, high, preferred)
    end = end if end > 0 else 1.0
    quantizer.initialise(end)
    return end


def least_error(
    values: Tensor, targets: Tensor, low: int, high: int, preferred: float | None
) -> float:
    """The end of a uniform range of codes low..high with the least squared error."""
    largest = float(values.abs().max() if low < 0 else values.max())
    if largest <= 0:
        return 0.0
    ends = [] if preferred is None else [preferred]
    ends += (torch.linspace(1.0, 0.05, CANDIDATES) * largest).tolist()
    best, least = ends[0], torch.inf
    for end in ends:
        step = end / high
        gaps = torch.floor(values / step + 0.5).clamp_(low, high).mul_(step).sub_(targets)
        loss = float(gaps.square_().mean(dtype=torch.float64))
        if loss < least:
            best, least = end, loss
    return best
