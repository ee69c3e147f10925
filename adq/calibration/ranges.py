"""Ends of activation ranges and stream steps, from pairs of quantized-path and float values."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from ..networks.network import Network
from ..quantizers.low_bit import LowBitActivation, upper_quantile
from ..quantizers.stream import StreamQuantizer
from ..tensors import Mode
from .config import CalibrationConfig
from .walk import output_of

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


def end_of(quantizer: Quantizer) -> float:
    """Real value of the largest code."""
    if isinstance(quantizer, StreamQuantizer):
        return quantizer.real_step * quantizer.high
    return quantizer.scale * quantizer.count


def set_shared_ranges(
    network: Network, chunks: Sequence[Tensor], config: CalibrationConfig
) -> list[Quantizer]:
    """Set the quantizers that several units end in, by what all of them make in the float network.

    (Tensors that are concatenated have one step.)
    """
    users = Counter(output for unit in network.units().values() if (output := output_of(unit)))
    seen: dict[Quantizer, list[Tensor]] = {q: [] for q, count in users.items() if count > 1}
    if not seen:
        return []

    def keep(module: Quantizer, inputs: tuple[Tensor, ...]) -> None:
        step = max(1, inputs[0].numel() * len(chunks) // SAMPLES)
        seen[module].append(inputs[0].reshape(-1)[::step].clone())

    hooks = [quantizer.register_forward_pre_hook(keep) for quantizer in seen]
    try:
        with network.evaluating(Mode.FLOAT):
            for chunk in chunks:
                network(chunk)
    finally:
        for hook in hooks:
            hook.remove()
    with network.evaluating(Mode.FLOAT):
        pairs = {quantizer: torch.cat(parts) for quantizer, parts in seen.items()}
        targets = {quantizer: quantizer(values).real for quantizer, values in pairs.items()}
    for quantizer, values in pairs.items():
        set_range(quantizer, values, targets[quantizer], config)
    return list(seen)


def set_range(
    quantizer: Quantizer, values: Tensor, targets: Tensor, config: CalibrationConfig, *,
    preferred: float | None = None,
) -> float:  # fmt: skip
    """Choose the value of the largest code; returns it.

    values: what the quantizer will read; targets: the float network's output in the same places.
    preferred: an end that is taken unless another one is better.
    """
    low, high = codes_of(quantizer)
    signed = low < 0
    if config.ranges == "quantile":
        read = isinstance(quantizer, LowBitActivation)
        share = config.act_quantile if read else config.stream_quantile
        end = upper_quantile(values.abs() if signed else values.relu(), share)
    else:
        end = least_error(values, targets, low, high, preferred)
    end = end if end > 0 else 1.0
    if quantizer.clip is not None:
        end = min(end, quantizer.clip)
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
