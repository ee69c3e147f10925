"""Export: a frozen fakequant network becomes an integer program.

Batch norms, learned thresholds and steps fold into integer thresholds and requants (`folding`), by
the same functions as in the evaluation of the graph (`exact`). Nothing is tuned here: the program
computes what the fakequant graph computes, which `compare.py` measures.
"""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...spec.activation import Threshold
from ...spec.codebook import Codebook as LevelTable
from ...spec.codebook import sign_magnitude_levels
from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer, Skip, ThresholdLayer
from ...spec.program import INPUT, Program
from ...spec.requant import Requant
from ..integers.constants import (
    PIXEL,
    Residual,
    conv_requant,
    fold_batch_norm,
    integer_levels,
    pool_requant,
    real_step,
    stream_format,
)
from ..integers.folding import Float64Array, channel_bounds, fold_thresholds, refuse_channel
from ..networks.graph import GraphNetwork
from ..networks.layers import QuantConv2d, ReadActivation
from ..networks.network import Network
from ..networks.resnet import Block, ResNet
from ..networks.state_check import check_numbers
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..quantizers.weight_quantizer import WeightQuantizer

LOGIT = IntFormat(width=32, signed=True)


@torch.no_grad()
def export(
    model: Network, *, provenance: dict[str, Any] | None = None, multiplier_width: int = 24
) -> Program:
    """The integer program of ``model``, whose codebooks must be frozen.

    ``provenance`` is JSON data added to the configuration of the network and to ``logit_step``,
    the real value of a logit of 1: what softmax and a student of the program need.
    """
    if not model.codebooks_frozen:
        raise InputError("Codebooks must be frozen before export: call freeze_codebooks()")
    check_numbers(model.state_dict(), "Network to be exported:")
    for name, module in model.named_modules():
        if isinstance(module, LowBitActivation) and module.refusal:
            raise InputError(f"Activation {name!r} must have {module.refusal}")
    config = model.config
    exporter = Exporter(multiplier_width)
    layers = exporter.network(model) if isinstance(model, ResNet) else graph(model, exporter)
    facts = {"network": asdict(config), "logit_step": float(exporter.logit_step)}
    return Program(
        input_shape=(len(config.mean), config.image_size, config.image_size),
        input_format=PIXEL,
        layers=tuple(layers),
        provenance=json.loads(json.dumps(facts | (provenance or {}))),
    )


class Exporter:
    """Walks a network; each method returns the layers of one part, by their tensor names."""

    def __init__(self, multiplier_width: int) -> None:
        self.multiplier_width = multiplier_width
        self.logit_step = 1.0

    def network(self, model: ResNet) -> list[Layer]:
        layers: list[Layer] = [self.conv("conv1", INPUT, model.conv1, in_scale=1.0, source=PIXEL)]
        stream = model.conv1.output
        for s, stage in enumerate(model.stages):
            for j, block in enumerate(stage):
                name = f"layer{s + 1}.{j}"
                layers += self.block(name, layers[-1].name, block, stream)
                stream = block.conv2.output
        size = model.config.image_size >> (len(model.stages) - 1)
        return [*layers, *self.head(model, layers[-1].name, stream, size)]

    def block(self, name: str, source: str, block: Block, stream: StreamQuantizer) -> list[Layer]:
        read = read_layer(f"{name}.act1", source, block.act1, stream)
        codes = read.output.format
        scale = block.act1.output.scale
        layers: list[Layer] = [read]
        layers.append(
            self.conv(f"{name}.conv1", read.name, block.conv1, in_scale=scale, source=codes)
        )
        if block.downsample is None:
            skip = Skip(tensor=source, stride=block.stride, channel_offset=block.offset)
            residual = (stream.real_step, stream_format(stream))
        else:
            projection = self.conv(
                f"{name}.downsample", read.name, block.downsample, in_scale=scale, source=codes
            )
            layers.append(projection)
            skip = Skip(tensor=projection.name)
            output = block.downsample.output
            residual = (output.real_step, stream_format(output))
        inner = block.conv1.output
        layers.append(
            self.conv(
                f"{name}.conv2",
                f"{name}.conv1",
                block.conv2,
                in_scale=inner.scale,
                source=IntFormat(width=inner.act_width),
                skip=skip,
                residual=residual,
            )
        )
        return layers

    def conv(
        self,
        name: str,
        source_name: str,
        conv: QuantConv2d,
        *,
        in_scale: float,
        source: IntFormat,
        skip: Skip | None = None,
        residual: Residual | None = None,
    ) -> MacLayer:
        """A convolution whose input codes have format ``source`` and value ``code * in_scale``."""
        weights, levels, table, step = weight_codes(conv)
        pads = None if conv.pixels is None else conv.pixels[0].flatten().long().cpu().numpy()
        affine = fold_batch_norm(conv, levels, in_scale * step)
        output: Threshold | Requant
        if isinstance(conv.output, LowBitActivation):
            bounds = channel_bounds(levels, source)
            output = fold_thresholds(conv.output.real_thresholds().numpy(), affine, bounds)
        else:
            output = conv_requant(
                conv,
                levels,
                affine,
                source,
                residual=residual,
                multiplier_width=self.multiplier_width,
            )
        return MacLayer(
            name=name,
            input=source_name,
            weights=weights,
            weight_width=conv.quantizer.width,
            codebook=table,
            output=output,
            stride=conv.stride,
            padding=conv.padding,
            groups=conv.groups,
            pad_codes=pads,
            skip=skip,
        )

    def head(self, model: Network, source: str, stream: StreamQuantizer, size: int) -> list[Layer]:
        """Global average pool of size x size, its divisor in the multiplier, and the classifier."""
        requant = pool_requant(
            model.pool.output,
            step=stream.real_step,
            source=stream_format(stream),
            window=size**2,
            multiplier_width=self.multiplier_width,
            name="pool",
        )
        levels, bias, self.logit_step = model.fc.quantized(model.pool.output.real_step)
        check_logits(levels, bias.double(), stream_format(model.pool.output))
        return [
            PoolLayer(
                name="pool",
                input=source,
                kind=LayerKind.AVG_POOL,
                kernel=size,
                stride=size,
                output=requant,
            ),
            MacLayer(
                name="fc",
                input="pool",
                kind=LayerKind.LINEAR,
                weights=levels.long().cpu().numpy()[:, :, None, None],
                weight_width=model.fc.quantizer.width,
                output=Requant(
                    multiplier=np.ones(len(levels), np.int64),
                    bias=bias.long().cpu().numpy(),
                    shift=0,
                    out=LOGIT,
                ),
            ),
        ]


def check_logits(levels: Tensor, bias: Tensor, source: IntFormat) -> None:
    """Refuse a bias (K,) with which a logit could leave its format: it would saturate unseen."""
    low, high = channel_bounds(integer_levels(levels), source)
    real = bias.cpu().numpy()
    inside = (real + low >= LOGIT.min) & (real + high <= LOGIT.max)
    what = f"bias (in steps of the sums {low.min()}..{high.max()})"
    refuse_channel(~inside, real, "fc", what, f"within logits of {LOGIT.name}")


def graph(model: GraphNetwork, exporter: Exporter) -> list[Layer]:
    """The layers of a network that is a list of nodes."""
    layers: list[Layer] = []
    outputs: dict[str, Any] = {}
    for node in model.nodes[:-2]:  # pool and classifier are the head
        unit, before = model.get_submodule(node.name), outputs.get(node.source)
        if node.kind == "read":
            layers.append(read_layer(node.name, node.source, unit, before))
        elif node.kind == "max_pool":
            layers.append(
                PoolLayer(
                    name=node.name,
                    input=node.source,
                    kind=LayerKind.MAX_POOL,
                    kernel=unit.KERNEL,
                    stride=unit.STRIDE,
                    padding=unit.PADDING,
                )
            )
        else:
            residual = outputs.get(node.skip)
            layers.append(
                exporter.conv(
                    node.name,
                    node.source,
                    unit,
                    in_scale=1.0 if node.kind == "input" else before.scale,
                    source=PIXEL if node.kind == "input" else IntFormat(width=before.act_width),
                    skip=None if residual is None else Skip(tensor=node.skip),
                    residual=residual and (residual.real_step, stream_format(residual)),
                )
            )
        outputs[node.name] = unit.output
    last = model.nodes[-3]
    return [*layers, *exporter.head(model, last.name, outputs[last.name], last.size)]


def read_layer(
    name: str, source: str, unit: ReadActivation, stream: StreamQuantizer
) -> ThresholdLayer:
    """Thresholds on stream codes, found by running the activation on every code there is."""
    values = torch.arange(stream.low, stream.high + 1).float().mul_(stream.real_step)
    reached = np.arange(1, unit.output.count + 1)
    rows = np.atleast_2d(unit.output.codes(values).numpy())
    tau = np.stack([np.searchsorted(codes, reached, side="left") for codes in rows])
    tau += stream.low
    sign = np.ones(len(tau), np.int64)
    return ThresholdLayer(name=name, input=source, output=Threshold(tau=tau, sign=sign))


def weight_codes(
    conv: QuantConv2d,
) -> tuple[Any, Int64Array, LevelTable | None, float | Float64Array]:
    """Stored weights, their levels, the codebook (None for uniform weights), and the step.

    The step is one number, or (Cout,) where the scale of the weights is per output channel.
    """
    weight, learned = conv.quantizer(conv.quantized_weight())
    levels, step = integer_levels(weight), real_step(learned)
    if not isinstance(conv.quantizer, WeightQuantizer):
        return levels, levels, None, step
    width = conv.quantizer.width
    ordered = conv.quantizer.levels.long().tolist()
    zero = len(ordered) // 2
    offset = conv.quantizer.index(conv.weight).cpu().numpy() - zero
    half = 1 << (width - 1)
    codes = np.where(offset >= 0, offset, half - offset)  # contract section 2.2
    negative = list(reversed(ordered[:zero]))
    lowest = negative.pop() if len(negative) == half else 0
    table = list(sign_magnitude_levels(tuple(ordered[zero + 1 :]), tuple(negative), width))
    # two's complement has one negative level more (LSQ): it takes the code of "minus zero"
    table[half] = lowest
    codes = np.where(offset == -half, half, codes)
    return codes, levels, LevelTable(levels=tuple(table), width=width), step
