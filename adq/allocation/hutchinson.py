"""Trace of the Hessian of each layer's weights, by Hutchinson's estimator.

HAWQ (docs/papers.md 5.5): E[v^T H v] = Tr(H) for v of independent signs. One v for all layers at
once: terms that couple two layers have expectation zero.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...spec.errors import InputError
from ..networks.network import Network
from ..tensors import Mode

BATCH = 128


def hessian_traces(
    model: Network, images: Tensor, labels: Tensor, *, samples: int = 8, seed: int = 0
) -> dict[str, float]:
    """Estimated trace for each hidden weight, of the mean cross entropy of the float network.

    images: uint8 (N, C, H, W); labels: (N,) int64; samples: sign vectors per batch. Batch norms use
    their running statistics. The network is left as it was.
    """
    if len(images) == 0 or len(images) != len(labels) or samples < 1:
        raise InputError(
            "Hessian trace must have images, as many labels and at least one sample, "
            f"not {len(images)}, {len(labels)} and {samples}"
        )
    hidden = model.hidden()
    weights = [conv.weight for conv in hidden.values()]
    totals = torch.zeros(len(weights), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with model.evaluating(Mode.FLOAT):
        for first in range(0, len(images), BATCH):
            part = slice(first, first + BATCH)
            loss = F.cross_entropy(model(images[part]), labels[part], reduction="sum")
            grads = torch.autograd.grad(loss, weights, create_graph=True)
            for _ in range(samples):
                totals += _quadratic_forms(grads, weights, generator)
    means = (totals / (samples * len(images))).tolist()
    return dict(zip(hidden, means, strict=True))


def _quadratic_forms(
    grads: tuple[Tensor, ...], weights: Sequence[Tensor], generator: torch.Generator
) -> Tensor:
    """``v_l^T (H v)_l`` of every layer for one draw of signs, float64."""
    signs = [
        (torch.randint(0, 2, w.shape, generator=generator) * 2 - 1).to(w.device, w.dtype)
        for w in weights
    ]
    slope = sum(((g * v).sum() for g, v in zip(grads, signs, strict=True)), torch.zeros(()))
    products = torch.autograd.grad(slope, weights, retain_graph=True)
    forms = [(p.double() * v).sum().cpu() for p, v in zip(products, signs, strict=True)]
    return torch.stack(forms)
