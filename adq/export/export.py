"""Export: a frozen fakequant network becomes an integer program.

Batch norms, learned thresholds and steps fold into integer thresholds and requants (`folding`), by
the same functions as in the evaluation of the graph (`networks.frozen`). Nothing is tuned here: the
program computes what the fakequant graph computes, which `compare.py` measures.
"""

import json
from typing import Any, assert_never

import numpy as np
import torch
from torch import Tensor

from ...spec.activation import Threshold
from ...spec.codebook import Codebook, encode
from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import (
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.networks import S32, Node, dilated
from ...spec.program import INPUT, Program
from ...spec.requant import Requant
from ..integers.constants import (
    PIXEL,
    Codes,
    average_requant,
    conv_requant,
    fold_batch_norm,
    integer_levels,
    real_step,
    stream_format,
)
from ..integers.folding import Float64Array, channel_bounds, fold_thresholds, refuse_channel
from ..networks.classifier import QuantLinear
from ..networks.curves import CurveStair, CurveSum
from ..networks.layers import QuantConv2d, ReadActivation, Unit
from ..networks.network import Network
from ..networks.pooling import AveragePool
from ..networks.state_check import check_numbers
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..quantizers.weight_quantizer import WeightQuantizer


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
    exporter = _Exporter(model, multiplier_width)
    layers = [exporter.layer(node) for node in model.nodes]
    result, _ = exporter.codes[model.nodes[-1].name]
    facts = {"network": config.facts(), "logit_step": float(result)}
    program = Program(
        input_shape=config.input_shape,
        input_format=PIXEL,
        layers=tuple(layers),
        provenance=json.loads(json.dumps(facts | (provenance or {}))),
    )
    check_accumulators(program, config.method.codebook.acc_width)
    return program


def check_accumulators(program: Program, acc_width: int | None) -> None:
    """Refuse sums of any layer with weights that could leave the accumulators they are made for."""
    for layer in program.mac_layers:
        width = program.acc_width(layer.name)
        if acc_width is not None and width > acc_width:
            low, high = program.acc_bounds(layer.name)
            raise InputError(
                f"Layer {layer.name!r}: sums must fit {acc_width} bits (hardware.acc_width), "
                f"not reach {low}..{high}, which take {width}"
            )


class _Exporter:
    """Makes the layers of a network's nodes, in their order."""

    def __init__(self, model: Network, multiplier_width: int) -> None:
        self.model, self.multiplier_width = model, multiplier_width
        self.units = model.units()
        self.codes: dict[str, Codes] = {INPUT: (1.0, PIXEL)}

    def layer(self, node: Node) -> Layer:
        """The layer that makes the node's tensor; its codes are noted."""
        unit = self.units[node.name]
        match node.kind:
            case LayerKind.CONV | LayerKind.LINEAR:
                if isinstance(unit, QuantLinear):
                    return self._classifier(node, unit)
                assert isinstance(unit, QuantConv2d)
                return self._conv(node, unit)
            case LayerKind.THRESHOLD:
                return self._threshold(node, unit)
            case LayerKind.AVG_POOL:
                assert isinstance(unit, AveragePool)
                return self._average(node, unit)
            case LayerKind.MAX_POOL:
                self.codes[node.name] = self.codes[node.source]
                return PoolLayer(
                    name=node.name, input=node.source, kind=node.kind, kernel=node.kernel,
                    stride=node.stride, padding=node.padding,
                )  # fmt: skip
            case LayerKind.UPSAMPLE:
                self.codes[node.name] = self.codes[node.source]
                return UpsampleLayer(name=node.name, input=node.source, factor=node.kernel)
            case LayerKind.CONCAT:
                self.codes[node.name] = self.codes[node.source]
                return ConcatLayer(name=node.name, inputs=node.sources)
            case _:
                assert_never(node.kind)

    def _residual(self, node: Node) -> Codes | None:
        return None if node.skip is None else self.codes[node.skip.tensor]

    def _conv(self, node: Node, conv: QuantConv2d) -> MacLayer:
        self.codes[node.name] = output_codes(conv.output)
        in_scale, source = self.codes[node.source]
        weights, levels, table, step = weight_codes(conv)
        pads = np.zeros(node.ins, np.int64)
        if conv.pixels is not None:
            pads = conv.pixels[0].flatten().long().cpu().numpy()
        affine = fold_batch_norm(conv, levels, in_scale * step)
        output: Threshold | Requant
        if isinstance(conv.output, LowBitActivation):
            bounds = channel_bounds(levels, source)
            output = fold_thresholds(conv.output.real_thresholds().numpy(), affine, bounds)
        else:
            output = conv_requant(
                conv.output, levels, affine, source, name=node.name,
                multiplier_width=self.multiplier_width, residual=self._residual(node),
            )  # fmt: skip
        return MacLayer(
            name=node.name, input=node.source, kind=node.kind, weights=dilated(weights, node),
            weight_width=conv.quantizer.width, codebook=table, output=output, stride=node.stride,
            padding=node.padding, groups=node.groups, pad_codes=pads, skip=node.skip,
        )  # fmt: skip

    def _threshold(self, node: Node, unit: Unit) -> ThresholdLayer:
        source = self.codes[node.source]
        if isinstance(unit, CurveStair):
            stage = unit.threshold(source)
            self.codes[node.name] = 1.0, stage.format
            return ThresholdLayer(name=node.name, input=node.source, output=stage)
        assert isinstance(unit, ReadActivation)
        self.codes[node.name] = output_codes(unit.output)
        return read_layer(node, unit, source)

    def _average(self, node: Node, unit: AveragePool) -> PoolLayer:
        """Average over a window, its divisor in the multiplier; or a sum of two tensors."""
        codes = self.codes[node.source]
        if isinstance(unit, CurveSum):
            requant = unit.requant(both=node.skip is not None)
            self.codes[node.name] = output_codes(unit.quantizer)
        elif unit.output is None:
            ones, zeros = np.ones(1, np.int64), np.zeros(1, np.int64)
            requant = Requant(multiplier=ones, bias=zeros, shift=0, out=S32)
            self.codes[node.name] = codes[0] / unit.window, S32
        else:
            requant = average_requant(
                unit, unit.output, codes, residual=self._residual(node),
                multiplier_width=self.multiplier_width,
            )  # fmt: skip
            self.codes[node.name] = output_codes(unit.output)
        return PoolLayer(
            name=node.name, input=node.source, kind=node.kind, kernel=node.kernel,
            stride=node.stride, output=requant, skip=node.skip,
        )  # fmt: skip

    def _classifier(self, node: Node, unit: QuantLinear) -> MacLayer:
        in_scale, source = self.codes[node.source]
        levels, learned, step = unit.quantized(in_scale)
        self.codes[node.name] = step, S32
        bias = torch.zeros(len(levels)) if learned is None else learned
        check_logits(levels, bias.double(), source, node.name)
        stage = Requant(
            multiplier=np.ones(len(levels), np.int64), bias=bias.long().cpu().numpy(), shift=0,
            out=S32,
        )  # fmt: skip
        weights = levels.long().cpu().numpy().reshape(len(levels), -1, *node.kernel)
        return MacLayer(
            name=node.name, input=node.source, kind=node.kind, weights=dilated(weights, node),
            weight_width=unit.quantizer.width, output=stage, stride=node.stride,
            padding=node.padding, groups=node.groups,
        )  # fmt: skip


def output_codes(output: LowBitActivation | StreamQuantizer) -> Codes:
    """Value of code 1, and the format, of what a frozen unit makes."""
    if isinstance(output, LowBitActivation):
        return output.scale, IntFormat(width=output.act_width)
    return output.real_step, stream_format(output)


def check_logits(levels: Tensor, bias: Tensor, source: IntFormat, name: str = "fc") -> None:
    """Refuse a bias (K,) with which a logit could leave its format: it would saturate unseen."""
    low, high = channel_bounds(integer_levels(levels), source)
    real = bias.cpu().numpy()
    inside = (real + low >= S32.min) & (real + high <= S32.max)
    what = f"bias (in steps of the sums {low.min()}..{high.max()})"
    refuse_channel(~inside, real, name, what, f"within logits of {S32.name}")


def read_layer(node: Node, unit: ReadActivation, stream: Codes) -> ThresholdLayer:
    """Thresholds on stream codes, found by running the activation on every code there is."""
    step, fmt = stream
    values = torch.arange(fmt.min, fmt.max + 1).float().mul_(step)
    reached = np.arange(1, unit.output.count + 1)
    rows = np.atleast_2d(unit.output.codes(values).numpy())
    tau = np.stack([np.searchsorted(codes, reached, side="left") for codes in rows])
    tau += fmt.min
    sign = np.ones(len(tau), np.int64)
    return ThresholdLayer(name=node.name, input=node.source, output=Threshold(tau=tau, sign=sign))


def weight_codes(
    conv: QuantConv2d,
) -> tuple[Any, Int64Array, Codebook | None, float | Float64Array]:
    """Stored weights, their levels, the codebook (None for uniform weights), and the step.

    The step is one number, or (Cout,) where the scale of the weights is per output channel.
    """
    weight, learned = conv.quantizer(conv.quantized_weight())
    levels, step = integer_levels(weight), real_step(learned)
    if not isinstance(conv.quantizer, WeightQuantizer):
        return levels, levels, None, step
    ranks = conv.quantizer.index(conv.quantized_weight()).cpu().numpy()
    ordered = conv.quantizer.levels.long().tolist()
    codes, table = encode(ranks, ordered, conv.quantizer.zero, conv.quantizer.width)
    return codes, levels, table, step
