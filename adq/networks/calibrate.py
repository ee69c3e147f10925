"""Data-driven start of quantization: activation ranges, stream steps, batch norm statistics."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ..quantizers.low_bit import LowBitActivation, upper_quantile
from ..quantizers.stream import StreamQuantizer
from ..tensors import Mode
from .network import Network

SAMPLES = 1 << 17
"""Values looked at per map and batch (every k-th one): enough for a 99.99 % quantile."""


@torch.no_grad()
def calibrate(
    model: Network,
    batches: Iterable[Tensor],
    *,
    act_quantile: float = 0.999,
    stream_quantile: float = 0.9999,
) -> None:
    """Set gains and steps from the float network's maps of a few uint8 batches.

    The ``act_quantile`` of each activation maps to the end of its N2UQ range (docs/papers.md 7,
    row 16), the ``stream_quantile`` of each stream (of its magnitude, if signed) to the top code.
    """
    seen: dict[LowBitActivation | StreamQuantizer, list[Tensor]] = {}

    def observe(module: LowBitActivation | StreamQuantizer, inputs: tuple[Tensor]) -> None:
        signed = isinstance(module, StreamQuantizer) and module.signed
        values = inputs[0].abs() if signed else torch.relu(inputs[0])
        step = max(1, values.numel() // SAMPLES)
        seen.setdefault(module, []).append(values.flatten()[::step].cpu().clone())

    quantizers = [m for m in model.modules() if isinstance(m, LowBitActivation | StreamQuantizer)]
    hooks = [m.register_forward_pre_hook(observe) for m in quantizers]
    try:
        with model.evaluating(Mode.FLOAT):
            for images in batches:
                model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise InputError("Calibration must have at least one batch, not none")
    for module, parts in seen.items():
        values = torch.cat(parts)
        if isinstance(module, LowBitActivation):
            module.initialise_from(values, act_quantile)
        else:
            high = upper_quantile(values, stream_quantile)
            module.initialise(high if high > 0 else 1.0)


@torch.no_grad()
def recalibrate_batch_norm(model: Network, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics by the averages over ``batches``, in the present mode.

    Needed after codebooks are frozen (docs/papers.md 7, row 7), and after any change that no
    training step follows.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [m.momentum for m in norms]
    count = 0
    with model.evaluating():
        for norm in norms:
            norm.train()
        for images in batches:
            count += 1
            for norm in norms:
                norm.momentum = 1.0 / count  # the first batch replaces, the others average
            model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    if not count:
        raise InputError("Batch norm recalibration must have at least one batch, not none")


def start_fakequant(
    model: Network, batches: Iterable[Tensor], correct: Callable[[], object] | None = None
) -> None:
    """From a trained float network to a fakequant one: codebooks, ranges, batch norm statistics.

    ``correct`` may replace the measured ranges, before the statistics are taken.
    """
    batches = list(batches)
    model.initialise_codebooks()
    calibrate(model, batches)
    if correct is not None:
        correct()
    model.set_mode(Mode.FAKEQUANT)
    recalibrate_batch_norm(model, batches)
