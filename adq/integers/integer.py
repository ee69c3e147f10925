"""Integer mode: the layers of a program on torch tensors, bit-identical to the golden interpreter.

Convolutions run in floating point on integers. That is exact, whatever the order of summation, as
long as every partial sum is below 2**24 (float32) or 2**53 (float64): the program has proven its
bounds, and the type is chosen by them.
"""

from collections.abc import Mapping
from typing import assert_never

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...spec.activation import Threshold
from ...spec.engines import Keep, Result, as_logits, check_images, wanted
from ...spec.footprint import demand_images, demand_results, image_bytes
from ...spec.formats import IntArray
from ...spec.host.limits import memory_budget
from ...spec.layers import (
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT, Program
from ...spec.requant import Requant
from ...spec.windows import Pair

BATCH = 128
COPIES = 2
"""Codes are held as int64 and, while a layer works on them, as floats too."""


def exact_dtype(bounds: tuple[int, int], device: torch.device) -> torch.dtype:
    """The float type in which sums within ``bounds`` are exact.

    GPUs get float64 always: their float32 convolutions may use TF32 or Winograd transforms.
    """
    fits = max(-bounds[0], bounds[1]) < 2**24
    precise = torch.get_float32_matmul_precision() == "highest"
    return torch.float32 if fits and precise and device.type == "cpu" else torch.float64


def column(values: IntArray, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Per-channel numbers as (1, C, 1, 1)."""
    return torch.from_numpy(np.array(values)).to(device=device, dtype=dtype).view(1, -1, 1, 1)


class ThresholdStage:
    """``#{i : sign * acc >= tau_i}``, compared in the type of the sums."""

    def __init__(
        self, output: Threshold, bounds: tuple[int, int], dtype: torch.dtype, device: torch.device
    ) -> None:
        # beyond the reachable sums a threshold is reached always or never: inside, it is exact
        reach = max(-bounds[0], bounds[1]) + 1
        tau = np.clip(output.tau, -reach, reach)
        self.tau = [column(row, dtype, device) for row in tau.T]
        self.sign = None if (output.sign > 0).all() else column(output.sign, dtype, device)

    def __call__(self, acc: Tensor, skip: Tensor | None) -> Tensor:
        signed = acc if self.sign is None else acc * self.sign
        count = torch.zeros(acc.shape, dtype=torch.uint8, device=acc.device)
        for tau in self.tau:
            count += (signed >= tau).view(torch.uint8)
        return count.long()


class RequantStage:
    """The contract's requantization (section 5), on int64."""

    def __init__(self, output: Requant, device: torch.device) -> None:
        self.multiplier = column(output.multiplier, torch.int64, device)
        self.bias = column(output.bias, torch.int64, device) + ((1 << output.shift) >> 1)
        self.skip_multiplier, self.shift, self.out = (
            output.skip_multiplier,
            output.shift,
            output.out,
        )

    def __call__(self, acc: Tensor, skip: Tensor | None) -> Tensor:
        total = acc.long() * self.multiplier
        total += self.bias
        if skip is not None:
            total += skip.long() * self.skip_multiplier
        total >>= self.shift
        return total.clamp_(self.out.min, self.out.max)


class Prepared:
    """One layer of a program as a function of torch tensors: codes (int64) to codes (int64).

    A concatenation takes one tensor, the channels of its inputs one after the other (`sources`).
    """

    def __init__(self, program: Program, layer: Layer, device: torch.device) -> None:
        self.layer = layer
        bounds = program.acc_bounds(layer.name)
        self.dtype = exact_dtype(bounds, device)
        self.stage: ThresholdStage | RequantStage | None = None
        match layer.output:
            case Threshold() as threshold:
                self.stage = ThresholdStage(threshold, bounds, self.dtype, device)
            case Requant() as requant:
                self.stage = RequantStage(requant, device)
            case None:
                pass
            case _:
                assert_never(layer.output)
        if isinstance(layer, MacLayer):
            self.weight = torch.from_numpy(layer.levels.copy()).to(device, self.dtype)
            self.pads = column(layer.pad_codes, self.dtype, device)

    def __call__(self, codes: Tensor, skip: Tensor | None = None) -> Tensor:
        layer = self.layer
        values = codes.to(self.dtype)
        match layer:
            case MacLayer():
                acc = self._convolve(layer, values)
            case ThresholdLayer():
                acc = values
            case PoolLayer(kind=LayerKind.MAX_POOL):
                return _max_pool(layer, values)
            case PoolLayer():
                acc = F.avg_pool2d(values, layer.kernel, layer.stride, divisor_override=1)
            case ConcatLayer():
                return codes
            case UpsampleLayer():
                down, across = layer.factor
                return codes.repeat_interleave(down, 2).repeat_interleave(across, 3)
            case _:
                assert_never(layer)
        assert self.stage is not None
        return self.stage(acc, skip)

    def _convolve(self, layer: MacLayer, values: Tensor) -> Tensor:
        top, left, bottom, right = layer.padding
        padding = (top, left)
        if (top, left) != (bottom, right) or (any(layer.padding) and layer.pad_codes.any()):
            n, c, h, w = values.shape
            shape = n, c, top + h + bottom, left + w + right
            padded = self.pads.expand(shape).contiguous()
            padded[:, :, top : top + h, left : left + w] = values
            values, padding = padded, (0, 0)
        if values.device.type == "cpu":
            with torch.backends.nnpack.flags(enabled=False):  # its transforms are not exact
                return F.conv2d(
                    values, self.weight, stride=layer.stride, padding=padding, groups=layer.groups
                )
        return _gemm_convolve(values, self.weight, layer.stride, padding, layer.groups)


def _gemm_convolve(x: Tensor, weight: Tensor, stride: Pair, padding: Pair, groups: int) -> Tensor:
    """Convolution as a matrix product: only products and sums, on any device."""
    n, _, h, _ = x.shape
    out, _, kernel_h, kernel_w = weight.shape
    columns = F.unfold(x, (kernel_h, kernel_w), padding=padding, stride=stride)
    columns = columns.view(n, groups, -1, columns.shape[-1])
    acc = weight.view(1, groups, out // groups, -1) @ columns
    out_h = (h + 2 * padding[0] - kernel_h) // stride[0] + 1
    return acc.view(n, out, out_h, -1)


def _max_pool(layer: PoolLayer, values: Tensor) -> Tensor:
    top, left, bottom, right = layer.padding
    padded = F.pad(values, (left, right, top, bottom), value=float("-inf"))
    return F.max_pool2d(padded, layer.kernel, layer.stride).long()


def prepare(program: Program, name: str, device: torch.device | str = "cpu") -> Prepared:
    """The layer ``name`` of ``program``, ready to run on ``device``."""
    return Prepared(program, program.layer(name), torch.device(device))


def read_skip(skip: Skip, codes: Tensor, channels: int) -> Tensor:
    """Residual codes (N, channels, H', W') as `Skip` defines them."""
    taken = codes[:, :, :: skip.stride, :: skip.stride]
    above = channels - taken.shape[1] - skip.channel_offset
    return F.pad(taken, (0, 0, 0, 0, skip.channel_offset, above))


def sources(layer: Layer, codes: Mapping[str, Tensor]) -> Tensor:
    """The codes that a layer computes from, those of several tensors as one."""
    if isinstance(layer, ConcatLayer):
        return torch.cat([codes[name] for name in layer.inputs], dim=1)
    return codes[layer.input]


def images_together(program: Program) -> int:
    """Images per step: those whose maps fit the memory budget, at most BATCH; one, or refused."""
    demand_images(program, COPIES, "torch")
    size, _ = image_bytes(program)
    return min(BATCH, memory_budget() // (COPIES * size))


@torch.no_grad()
def run(
    program: Program, images: IntArray, keep: Keep = (), device: torch.device | str = "cpu"
) -> Result:
    """Logits (and kept tensors) of ``images`` (N, C, H, W): the engine signature of the spec."""
    batch = check_images(program, images)
    names = sorted(wanted(program, keep))
    step = images_together(program)
    demand_results(program, names, len(batch))
    layers = {x.name: Prepared(program, x, torch.device(device)) for x in program.layers}
    last = program.layers[-1].name
    kept: dict[str, list[IntArray]] = {name: [] for name in {*names, last}}
    for first in range(0, max(len(batch), 1), step):
        # an empty batch runs once too, so that every tensor has its shape
        images_now = torch.from_numpy(batch[first : first + step].astype(np.int64)).to(device)
        codes = {INPUT: images_now}
        for name, layer in layers.items():
            skip, residual = layer.layer.skip, None
            if skip is not None:
                residual = read_skip(skip, codes[skip.tensor], program.tensor_shape(name)[0])
            codes[name] = layer(sources(layer.layer, codes), residual)
        for name, parts in kept.items():
            parts.append(codes[name].cpu().numpy().astype(program.tensor_format(name).dtype))
    return Result(
        logits=as_logits(program, np.concatenate(kept[last])),
        tensors={name: np.concatenate(kept[name]) for name in names},
    )
