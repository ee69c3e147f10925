"""3x3 convolutions of training steps by Winograd's algorithm: a quarter of the multiplications.

On a core with AVX2 oneDNN's direct convolution is at nine tenths of the peak, so that only fewer
multiplications make a step faster. The sums differ from the direct ones by about 1e-5 of the
largest: as gradients are, they are rounded. Inside `allowed` only, which a training step enters
(`train.winograd`); evaluation, batch norm's last statistics, sensitivities and export keep exact
sums. Kernels: `winograd_kernels`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..quantizers.kernels import split_rows
from ..tensors import has_kernels
from .geometry import Geometry
from .winograd_kernels import (
    EDGE,
    LANES,
    PARTS,
    PLACES,
    convolve_kernel,
    gathered_kernel,
    kernel_gradient_kernel,
    spread_kernel,
)

MOST_CHANNELS = 256
"""More, and the transformed kernels (36 numbers for 9) leave the caches."""
_ALLOWED: ContextVar[bool] = ContextVar("winograd", default=False)


@contextmanager
def allowed(yes: bool = True) -> Iterator[None]:
    """Convolutions inside may be Winograd's."""
    token = _ALLOWED.set(yes)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def applies(geometry: Geometry, data: Tensor, weight: Tensor) -> bool:
    """Whether `convolve` computes this convolution, and may."""
    if torch.compiler.is_compiling() or not _ALLOWED.get():
        return False
    plain = (geometry.kernel, geometry.stride, geometry.dilation) == ((3, 3), (1, 1), (1, 1))
    channels = weight.shape[:2]
    return (
        plain
        and geometry.padding == (1, 1, 1, 1)
        and geometry.groups == 1
        and all(c % LANES == 0 and c <= MOST_CHANNELS for c in channels)
        and all(size % EDGE == 0 for size in data.shape[2:])
        and has_kernels(data)
        and has_kernels(weight)
        and not torch.is_autocast_enabled("cpu")
    )


def convolve(data: Tensor, weight: Tensor) -> Tensor:
    """Sums (N, Cout, H, W), channels last, of maps (N, Cin, H, W) and kernels (Cout, Cin, 3, 3)."""
    sums: Tensor = _Winograd.apply(data, weight)
    return sums


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, data: Tensor, weight: Tensor) -> Tensor:
        data = data.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(data, weight)
        return _convolved(data, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        data, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        wanted = ctx.needs_input_grad
        return (
            _convolved(grad, weight, turned=True) if wanted[0] else None,
            _kernel_gradient(data, grad) if wanted[1] else None,
        )


def _rows(maps: Tensor) -> np.ndarray:
    """The memory of channels-last maps as (N, H, W, C)."""
    return maps.detach().permute(0, 2, 3, 1).numpy()


def _convolved(data: Tensor, weight: Tensor, turned: bool = False) -> Tensor:
    """Sums with ``weight``, or with the kernels of the gradient of the inputs (``turned``)."""
    images, inputs, height, width = data.shape
    outputs = weight.shape[1] if turned else len(weight)
    kernel = np.empty((PLACES, outputs // LANES, inputs, LANES), np.float32)
    split_rows(
        spread_kernel, outputs // LANES, weight.detach().contiguous().numpy(), turned, kernel
    )
    sums = torch.empty((images, outputs, height, width), memory_format=torch.channels_last)
    split_rows(convolve_kernel, images, _rows(data), kernel, _rows(sums))
    return sums


def _kernel_gradient(data: Tensor, grad: Tensor) -> Tensor:
    inputs, outputs = data.shape[1], grad.shape[1]
    sums = np.zeros((PARTS, PLACES, inputs, outputs), np.float32)
    split_rows(kernel_gradient_kernel, PARTS, _rows(data), _rows(grad), sums)
    gradient = torch.empty(outputs, inputs, 3, 3)
    split_rows(gathered_kernel, inputs, sums, gradient.numpy())
    return gradient
