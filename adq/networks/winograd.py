"""3x3 convolutions of training steps by Winograd's algorithm: a quarter of the multiplications.

On a core with AVX2 oneDNN's direct convolution is at nine tenths of the peak, so that only fewer
multiplications make a step faster. The sums differ from the direct ones by about 1e-5 of the
largest: as gradients are, they are rounded. Inside `allowed` only, which a training step enters
(`train.winograd`); evaluation, batch norm's last statistics, sensitivities and export keep exact
sums. Kernels: `winograd_kernels`,
`winograd_weights`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..quantizers.kernels import split_rows
from ..tensors import corners_of, has_kernels
from .geometry import Geometry
from .winograd_kernels import EDGE, LANES, PARTS, PLACES, convolve_kernel, kernel_gradient_kernel
from .winograd_weights import gathered_kernel, spread_kernel

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
    """Sums (N, Cout, H, W), channels last, of maps (N, Cin, H, W) and kernels (Cout, Cin, 3, 3).

    Codes that know their corners (`tensors.corners_of`) are read and kept as those.
    """
    sums: Tensor = _Winograd.apply(data, weight, corners_of(data))
    return sums


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, data: Tensor, weight: Tensor, corners: Tensor | None) -> Tensor:
        maps = corners
        if maps is None:
            maps = data.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        ctx.save_for_backward(maps, weight)
        return _convolved(maps, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        maps, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        wanted = ctx.needs_input_grad
        return (
            _convolved(grad, weight, turned=True) if wanted[0] else None,
            _kernel_gradient(maps, grad) if wanted[1] else None,
            None,
        )


def _convolved(maps: Tensor, weight: Tensor, turned: bool = False) -> Tensor:
    """Sums of maps (N, H, W, C) with ``weight``, or its kernels of the inputs' gradient."""
    images, height, width, inputs = maps.shape
    outputs = weight.shape[1] if turned else len(weight)
    kernel = np.empty((PLACES, outputs // LANES, inputs, LANES), np.float32)
    given = weight.detach().contiguous().numpy()
    split_rows(spread_kernel, outputs // LANES, given, turned, kernel)
    sums = torch.empty(images, height, width, outputs)
    split_rows(convolve_kernel, images, maps.detach().numpy(), kernel, sums.numpy())
    return sums.permute(0, 3, 1, 2)


def _kernel_gradient(maps: Tensor, grad: Tensor) -> Tensor:
    inputs, outputs = maps.shape[3], grad.shape[3]
    sums = np.zeros((PARTS, PLACES, inputs, outputs), np.float32)
    given = maps.detach().numpy(), grad.detach().numpy()
    split_rows(kernel_gradient_kernel, PARTS, *given, sums)
    gradient = torch.empty(outputs, inputs, 3, 3)
    split_rows(gathered_kernel, inputs, sums, gradient.numpy())
    return gradient
