"""Weights of one convolution onto its codebook."""

import math

import torch
from torch import Tensor

from ..networks.layers import HiddenConv2d, QuantConv2d
from ..quantizers.codebook import Codebook
from ..quantizers.scaled_grid import GridWeight, LsqWeight
from .codebooks import Table, nearest, scaled, table
from .config import CalibrationConfig
from .moments import measure, output_affine
from .rounding import Solver
from .walk import Inputs

LARGEST = 8192
"""Weights of a filter up to which inputs are looked at: their moments are a matrix of that size."""


def quantize_weights(
    conv: QuantConv2d, inputs: list[Inputs], targets: list[Tensor], config: CalibrationConfig
) -> float:
    """Set the codebook and, rounding sequentially, the weights of ``conv``; their relative error.

    inputs: what it reads, quantized; targets: the float network's maps before its quantizer.
    Uniform weights (first layer) are rounded as they are.
    """
    weight = conv.kernel_weight.detach().double().flatten(1)
    if not isinstance(conv, HiddenConv2d):
        levels, step = conv.quantizer(conv.quantized_weight())
        gaps = levels.double() * step - conv.quantized_weight().double()
        return relative(gaps.square().sum(), conv.quantized_weight().double().square().sum())
    slope, _ = output_affine(conv)
    moments = None
    importance = torch.ones_like(weight)
    looked = config.aware or config.rounding == "sequential"
    if looked and weight.shape[1] <= LARGEST:
        wanted = max(config.samples, config.oversampling * weight.shape[1])
        places = math.ceil(wanted / sum(len(target) for target in targets))
        moments = measure(conv, inputs, targets, places=places, seed=config.seed)
    if config.aware and moments is not None:
        importance = moments.diagonal.repeat_interleave(len(weight) // conv.geometry.groups, 0)
    importance = importance * slope.square()[:, None]
    moved, solver = weight, None
    if moments is not None and config.rounding == "sequential":
        solver = Solver(moments, config.damping)
        if config.compensate:
            moved = solver.fitted(by_group(conv, weight)).reshape(weight.shape)
    found = set_quantizer(conv, moved, importance)
    if found is not None and solver is not None:
        moved = _rounded(conv, moved, found, solver)
        conv.weight.copy_(moved.view(conv.weight.shape))
    gaps = conv.quantizer.quantized(conv.kernel_weight).double().flatten(1) - weight
    return relative((importance * gaps.square()).sum(), (importance * weight.square()).sum())


def relative(part: Tensor, whole: Tensor) -> float:
    """A share, 0 of nothing."""
    return float(part / whole) if float(whole) > 0 else 0.0


def by_group(conv: QuantConv2d, rows: Tensor) -> Tensor:
    """Rows of all filters (Cout, n) as (G, Cout / G, n)."""
    return rows.view(conv.geometry.groups, -1, rows.shape[1])


def set_quantizer(conv: HiddenConv2d, weight: Tensor, importance: Tensor) -> Table | None:
    """Give the quantizer of ``conv`` its table, frozen; None where the rule sets its own scale.

    weight, importance: (Cout, n), float64.
    """
    quantizer = conv.quantizer
    if isinstance(quantizer, Codebook):
        top = 2 ** (quantizer.config.level_width - 1) - 1
        found = table(
            weight, importance, quantizer.width, top, per_channel=quantizer.scaled,
            full=quantizer.config.full,
        )  # fmt: skip
        quantizer.adopt(found.values, found.zero, found.scale, conv.kernel_weight.detach())
        return found
    conv.initialise_codebook()
    quantizer.freeze()
    if type(quantizer) not in (GridWeight, LsqWeight):
        return None
    values = quantizer.values.double()
    assert isinstance(quantizer, GridWeight)
    found = scaled(weight, importance, values, quantizer.zero, per_channel=quantizer.per_channel)
    quantizer.alpha.copy_(
        found.scale.view(-1, 1, 1, 1) if quantizer.per_channel else found.scale[0, 0]
    )
    return found


def _rounded(conv: HiddenConv2d, weight: Tensor, found: Table, solver: Solver) -> Tensor:
    scale = by_group(conv, found.scale)[:, :, 0]

    def choose(column: Tensor) -> Tensor:
        return scale * nearest(column / scale, found.values)

    return solver.rounded(by_group(conv, weight), choose).reshape(weight.shape)
