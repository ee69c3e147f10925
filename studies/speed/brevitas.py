"""The same networks with Brevitas' quantizers, LSQ-style, for `adqhw bench train`.

Every scale is a learned parameter that starts from statistics (Brevitas' PARAMETER_FROM_STATS), as
in LSQ (Esser et al. 2020). Structure as in the trainer: 8-bit first convolution, classifier and
residual stream, 4-bit weights and activations elsewhere, each block reads its stream through a
quantized activation.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # named tensors and other things of its imports
    import brevitas.nn as qnn
    from brevitas.inject.enum import ScalingImplType
    from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat
    from brevitas.quant import Uint8ActPerTensorFloat as UnsignedAct


class Weight8(Int8WeightPerTensorFloat):
    """8 bits, learned scale."""

    scaling_impl_type = ScalingImplType.PARAMETER_FROM_STATS


class Weight4(Weight8):
    """4 bits, learned scale."""

    bit_width = 4


class Act4(UnsignedAct):
    """4 unsigned bits, learned scale from the first batch on."""

    bit_width = 4
    collect_stats_steps = 1


class Stream(UnsignedAct):
    """8 unsigned bits: the residual stream."""

    collect_stats_steps = 1


class SignedStream(Int8ActPerTensorFloat):
    """8 signed bits: a projection."""

    collect_stats_steps = 1


def conv(ins: int, outs: int, kernel: int, stride: int, quant: Any = Weight4) -> nn.Sequential:
    """Convolution and batch norm."""
    return nn.Sequential(
        qnn.QuantConv2d(ins, outs, kernel, stride, kernel // 2, bias=False, weight_quant=quant),
        nn.BatchNorm2d(outs),
    )


class Block(nn.Module):
    """Basic block; ``project``: 1x1 shortcut (option B), else strided and zero-padded (A)."""

    def __init__(self, ins: int, outs: int, stride: int, project: bool) -> None:
        super().__init__()
        self.stride, self.offset = stride, (outs - ins) // 2
        self.read = qnn.QuantReLU(act_quant=Act4)
        self.conv1, self.act = conv(ins, outs, 3, stride), qnn.QuantReLU(act_quant=Act4)
        self.conv2, self.stream = conv(outs, outs, 3, 1), qnn.QuantReLU(act_quant=Stream)
        self.project = None
        if project and (stride > 1 or ins != outs):
            self.project = nn.Sequential(
                conv(ins, outs, 1, stride), qnn.QuantIdentity(act_quant=SignedStream)
            )

    def forward(self, x: Tensor) -> Tensor:
        read = self.read(x)
        if self.project is not None:
            skip = self.project(read)
        else:
            skip = x[:, :, :: self.stride, :: self.stride]
            skip = F.pad(skip, (0, 0, 0, 0, self.offset, self.offset)) if self.offset else skip
        return self.stream(self.conv2(self.act(self.conv1(read))) + skip)


class Network(nn.Module):
    """uint8 images to logits."""

    def __init__(self, widths: tuple[int, ...], blocks: int, stem: nn.Module, classes: int) -> None:
        super().__init__()
        parts: list[nn.Module] = [stem]
        ins = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                parts.append(Block(ins, width, stride, project=len(widths) == 4))
                ins = width
        self.features = nn.Sequential(*parts)
        self.pool = qnn.QuantReLU(act_quant=Stream)
        self.fc = qnn.QuantLinear(ins, classes, bias=True, weight_quant=Weight8)

    def forward(self, images: Tensor) -> Tensor:
        x = (images.float() - 118.0) / 58.0
        x = self.features(x.contiguous(memory_format=torch.channels_last))
        return self.fc(self.pool(x.mean((2, 3))))


def build(network: str) -> Network:
    """ResNet-20 (CIFAR, option A) or ResNet-18 (ImageNet)."""
    if network == "resnet20":
        stem = nn.Sequential(conv(3, 16, 3, 1, Weight8), qnn.QuantReLU(act_quant=Stream))
        return Network((16, 32, 64), 3, stem, 10)
    stem = nn.Sequential(
        conv(3, 64, 7, 2, Weight8), qnn.QuantReLU(act_quant=Stream), nn.MaxPool2d(3, 2, 1)
    )
    return Network((64, 128, 256, 512), 2, stem, 1000)


def brevitas_step(setting: dict[str, Any], images: Tensor, labels: Tensor) -> Callable[[], None]:
    """One SGD step, as in the trainer's loop."""
    warnings.simplefilter("ignore")
    model = build(setting["network"]).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=setting["amp"]):
            logits = model(images).float()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()

    return step
