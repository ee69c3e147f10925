"""Torch on the CPU, fp32 channels-last and eager static int8, for `adqhw bench sim`."""

import warnings
from collections.abc import Callable
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from ...spec.program import INPUT, Program
from .float import FloatKind, FloatNode, float_twin

Run = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


class Twin(nn.Module):
    """The floating-point twin as a module; `quantized` adds the stubs of eager quantization."""

    def __init__(self, nodes: tuple[FloatNode, ...], *, quantized: bool = False) -> None:
        super().__init__()
        self.nodes = nodes
        self.layers = nn.ModuleDict({_key(node.name): _module(node) for node in nodes})
        self.enter: nn.Module = nn.Identity()
        self.leave: nn.Module = nn.Identity()
        if quantized:
            self.enter = torch.ao.quantization.QuantStub()
            self.leave = torch.ao.quantization.DeQuantStub()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = {INPUT: self.enter(images)}
        for node in self.nodes:
            layer: Any = self.layers[_key(node.name)]
            operands = [maps[name] for name in node.inputs]
            match node.kind:
                case FloatKind.ADD_RELU:
                    maps[node.name] = layer.add_relu(*operands)
                case FloatKind.ADD:
                    maps[node.name] = layer.add(*operands)
                case FloatKind.SHORTCUT:
                    before, after = node.channels
                    taken = operands[0][:, :, :: node.stride, :: node.stride]
                    maps[node.name] = functional.pad(taken, (0, 0, 0, 0, before, after))
                case (
                    FloatKind.CONV | FloatKind.LINEAR | FloatKind.MAX_POOL | FloatKind.MEAN
                ):  # fmt: skip
                    maps[node.name] = layer(*operands)
                case _:
                    assert_never(node.kind)
        return self.leave(maps[self.nodes[-1].name])


def _key(name: str) -> str:
    return name.replace(".", "_")


def _module(node: FloatNode) -> nn.Module:
    match node.kind:
        case FloatKind.CONV | FloatKind.LINEAR:
            return _weighted(node)
        case FloatKind.ADD | FloatKind.ADD_RELU:
            return torch.ao.nn.quantized.FloatFunctional()
        case FloatKind.MAX_POOL:
            return nn.MaxPool2d(node.kernel, node.stride, node.padding)
        case FloatKind.MEAN:
            return nn.AdaptiveAvgPool2d(1)
        case FloatKind.SHORTCUT:
            return nn.Identity()
        case _:
            assert_never(node.kind)


def _weighted(node: FloatNode) -> nn.Module:
    assert node.weight is not None
    assert node.bias is not None
    weight, bias = torch.from_numpy(node.weight), torch.from_numpy(node.bias)
    if node.kind is FloatKind.LINEAR:
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = weight[:, :, 0, 0].contiguous(), bias
        return nn.Sequential(nn.Flatten(), linear)
    layer = nn.Conv2d(
        weight.shape[1] * node.groups, weight.shape[0], node.kernel, node.stride, node.padding,
        groups=node.groups,
    )  # fmt: skip
    layer.weight.data, layer.bias = weight, nn.Parameter(bias)
    return nn.Sequential(layer, nn.ReLU()) if node.relu else layer


def float_run(program: Program, threads: int) -> Run:
    """fp32, channels last."""
    model = Twin(float_twin(program)).eval()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs
    return _runner(model, threads)


def int8_run(program: Program, threads: int, images: npt.NDArray[Any]) -> Run:
    """Eager static int8 with fused ReLU, calibrated on `images`; RuntimeError if not available."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao is deprecated, and still the shipped version
        model = Twin(float_twin(program), quantized=True).eval()
        for node in model.nodes:
            if node.kind is FloatKind.CONV and node.relu:
                layer = model.layers[_key(node.name)]
                torch.ao.quantization.fuse_modules(layer, ["0", "1"], inplace=True)
        engine = torch.backends.quantized.engine
        model.qconfig = torch.ao.quantization.get_default_qconfig(engine)
        prepared = torch.ao.quantization.prepare(model)
        with torch.inference_mode():
            prepared(torch.from_numpy(images))
        converted = torch.ao.quantization.convert(prepared)
    return _runner(converted, threads)


def _runner(model: nn.Module, threads: int) -> Run:
    def run(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        torch.set_num_threads(threads)
        batch = torch.from_numpy(images.astype(np.float32, copy=False))
        with torch.inference_mode():
            return model(batch.contiguous(memory_format=torch.channels_last)).numpy()

    return run
