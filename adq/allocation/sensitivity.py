"""How much the loss suffers from quantizing each layer: three estimates, and a measurement.

docs/papers.md section 7, row 11: ``Omega_l(b) = 1/2 * sum_i F_i * (w_i - Q_b(w_i))^2`` with
``F_i`` = mean of the squared per-image gradients of the float network, and ``Q_b`` = quantile
initialisation and 20 Lloyd iterations. Additive over layers, which the allocation needs.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from ...spec.errors import InputError
from ..networks.layers import QuantConv2d
from ..networks.network import Network
from ..quantizers.methods import Method, weight_quantizer
from ..recipes.quant_config import Sensitivity
from ..tensors import Mode, Signal
from .hutchinson import hessian_traces

LLOYD_STEPS = 20
BATCH = 64
"""Images at a time: bounds the memory of their separate gradients."""


def _check(images: Tensor, labels: Tensor) -> None:
    if len(images) == 0 or len(images) != len(labels):
        raise InputError(
            f"Sensitivity must have images and as many labels, not {len(images)} and {len(labels)}"
        )


def fisher(model: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Mean squared per-image gradient of the cross entropy, shaped like each hidden weight.

    images: uint8 (N, C, H, W); labels: (N,) int64. Batch norm uses its running statistics, so
    that images do not influence each other; float mode. The network is left as it was.
    """
    _check(images, labels)
    recorders = {name: _SquaredGradients(conv) for name, conv in model.hidden().items()}
    try:
        with model.evaluating(Mode.FLOAT):
            for first in range(0, len(images), BATCH):
                part = slice(first, first + BATCH)
                # a sum over images: the gradient of each image's loss reaches its own row undivided
                loss = F.cross_entropy(model(images[part]), labels[part], reduction="sum")
                torch.autograd.grad(loss, [conv.weight for conv in model.hidden().values()])
    finally:
        for recorder in recorders.values():
            recorder.remove()
    return {name: recorder.total / len(images) for name, recorder in recorders.items()}


class _SquaredGradients:
    """Sums the squared per-image weight gradients of one convolution, a batch at a time.

    Autograd would only give their sum: the gradient of one image is the product of its output
    gradient and of its unfolded input. A hook of the layer and the watch of its sums record both.
    """

    def __init__(self, conv: QuantConv2d) -> None:
        self.conv = conv
        self.total = torch.zeros_like(conv.weight, dtype=torch.float64)
        self.input: Tensor | None = None
        self.hook = conv.register_forward_pre_hook(self._keep_input)
        conv.watch = self._watch_sums

    def _keep_input(self, module: QuantConv2d, arguments: tuple[Signal, ...]) -> None:
        self.input = arguments[0].data.detach()

    def _watch_sums(self, acc: Tensor) -> None:
        acc.register_hook(self._add)

    @torch.no_grad()
    def _add(self, grad: Tensor) -> None:
        assert self.input is not None  # set by the forward pass
        conv = self.conv
        columns = conv.geometry.columns(self.input)
        # (N, groups, Cout / groups, positions) times (N, groups, positions, Cin / groups * kh * kw)
        groups = conv.geometry.groups
        rows = grad.flatten(2).unflatten(1, (groups, -1))
        per_image = rows @ columns.unflatten(1, (groups, -1)).transpose(2, 3)
        self.total += per_image.square_().sum(0, dtype=torch.float64).reshape(self.total.shape)
        self.input = None

    def remove(self) -> None:
        self.hook.remove()
        self.conv.watch = None


@torch.no_grad()
def reconstruct(weight: Tensor, width: int, method: Method | None = None) -> Tensor:
    """``weight`` as a quantizer of ``width`` bits gives it back without training.

    ADQ's codebooks get 20 Lloyd iterations: training takes them to that limit.
    """
    method = method or Method()
    codebook = replace(method.codebook, init_lloyd=LLOYD_STEPS)
    quantizer = weight_quantizer(replace(method, codebook=codebook), width, len(weight))
    quantizer.to(weight.device).initialise(weight)
    return quantizer.quantized(weight)


@torch.no_grad()
def measured(
    model: Network, images: Tensor, labels: Tensor, widths: Sequence[int]
) -> dict[str, dict[int, float]]:
    """Cross entropy with one layer quantized alone, less that of the float network.

    Negative where it falls: differences of few images are noisy. A pass over the images for every
    layer and width; the network is left as it was.
    """
    losses: dict[str, dict[int, float]] = {}
    with model.evaluating(Mode.FLOAT):
        whole = _mean_loss(model, images, labels)
        for name, conv in model.hidden().items():
            kept, row = conv.weight.clone(), losses.setdefault(name, {})
            for width in widths:
                values = reconstruct(conv.kernel_weight, width, model.config.method)
                conv.weight.copy_(values.view_as(conv.weight))
                row[width] = _mean_loss(model, images, labels) - whole
                conv.weight.copy_(kept)
    for name, row in losses.items():
        if not all(math.isfinite(loss) for loss in row.values()):
            raise InputError(f"Sensitivity of layer {name!r} must be finite, not {row}")
    return losses


def _mean_loss(model: Network, images: Tensor, labels: Tensor) -> float:
    _check(images, labels)
    parts = zip(images.split(BATCH), labels.split(BATCH), strict=True)
    total = sum(float(F.cross_entropy(model(x), y, reduction="sum")) for x, y in parts)
    return total / len(images)


def sensitivities(
    model: Network,
    images: Tensor,
    labels: Tensor,
    widths: Sequence[int] = (2, 3, 4),
    kind: Sensitivity = "fisher",
) -> dict[str, dict[int, float]]:
    """Expected loss increase of every hidden layer at every width: ``[layer][bits]``.

    kind: ``fisher`` 1/2 sum F dW^2 (docs/papers.md 7, row 11); ``hessian`` Tr(H)/n ||dW||^2,
    a negative trace counting as zero (HAWQ, 5.5); ``error`` ||dW||^2 / ||W||^2, which needs no
    images and is no loss: it only ranks; ``loss`` `measured`.
    """
    hidden = model.hidden()
    match kind:
        case "loss":
            return measured(model, images, labels, widths)
        case "fisher":
            per_weight = {n: 0.5 * f for n, f in fisher(model, images, labels).items()}
        case "hessian":
            traces = hessian_traces(model, images, labels).items()
            per_weight = {
                n: torch.tensor(max(t, 0.0) / hidden[n].weight.numel()) for n, t in traces
            }
        case "error":
            squares = {n: conv.weight.detach().double().square() for n, conv in hidden.items()}
            per_weight = {n: 1 / square.sum().clamp(min=1e-30) for n, square in squares.items()}
        case unknown:
            assert_never(unknown)
    result = {}
    for name, conv in hidden.items():
        weight = conv.kernel_weight.detach()
        factor = per_weight[name].to(weight.device)
        factor = factor.view_as(weight) if factor.dim() else factor
        errors = {w: weight - reconstruct(weight, w, model.config.method) for w in widths}
        result[name] = {w: float((factor * error.square()).sum()) for w, error in errors.items()}
        if not all(math.isfinite(loss) for loss in result[name].values()):
            raise InputError(f"Sensitivity of layer {name!r} must be finite, not {result[name]}")
    return result
