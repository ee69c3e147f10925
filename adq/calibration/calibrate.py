"""Post-training quantization of a network, layer by layer (docs/calibration.md)."""

import math
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ...spec.errors import InputError
from ...spec.networks import Node
from ..networks.classifier import QuantLinear
from ..networks.layers import QuantConv2d, Unit
from ..networks.network import Network
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..tensors import Mode, NotANumberError, Signal
from .config import CalibrationConfig
from .correction import correct, correct_classifier
from .ranges import end_of, sampled, set_range, set_shared_ranges
from .report import LayerReport, Report
from .walk import Walk, before_quantizer, check_memory, output_of, set_unit_mode
from .weights import quantize_weights

CHUNK = 16
"""Images that a unit computes at once."""


@torch.no_grad()
def calibrate(
    network: Network,
    batches: Iterable[Tensor],
    config: CalibrationConfig | None = None,
    advance: Callable[[str], object] = lambda layer: None,
) -> Report:
    """Quantize a float network by its maps of a few images; no labels, no gradients.

    network: with float weights, in any mode; afterwards in fakequant mode and in evaluation, its
    codebooks frozen: ready for `adq.export.export`. batches: uint8 images (N, C, H, W), as various
    as the network's future inputs are. advance: is told each layer's name when it is done.

    Layers are quantized in order of execution, on what the quantized layers before them make, and
    fitted to what the float network has there. InputError: no image, an activation without integer
    program, maps beyond the memory budget; NotANumberError names a layer that computes NaN.
    """
    config = config or CalibrationConfig()
    start = time.perf_counter()
    given = [batch for batch in batches if len(batch)]
    if not given:
        raise InputError("Calibration must have at least one image, not none")
    chunks = torch.cat(given).to(network.device).split(CHUNK)
    images = sum(len(chunk) for chunk in chunks)
    check_activations(network)
    network.eval()
    check_memory(network, chunks[0][:1], images)
    shared = set_shared_ranges(network, chunks, config)
    walk, layers = Walk(network, chunks, shared), []
    for node, unit in walk:
        layers.append(_calibrated(walk, node, unit, config))
        advance(node.name)
    network.set_mode(Mode.FAKEQUANT)
    last = network.nodes[-1].name
    ours, theirs = (
        torch.cat([network.real_logits(signals[last]) for signals in path])
        for path in (walk.quantized, walk.float)
    )
    return Report(
        images=images,
        layers=tuple(layers),
        agreement=float((ours.argmax(1) == theirs.argmax(1)).double().mean()),
        seconds=time.perf_counter() - start,
    )


def check_activations(network: Network) -> None:
    """Refuse activations that no integer program has."""
    for name, module in network.named_modules():
        if isinstance(module, LowBitActivation) and module.refusal:
            raise InputError(f"Activation {name!r} must have {module.refusal}")


def _calibrated(walk: Walk, node: Node, unit: Unit, config: CalibrationConfig) -> LayerReport:
    """Calibrate one unit, and leave what it makes in the walk."""
    output = output_of(unit)
    if output is None:
        return _without_range(walk, node, unit, config)
    width = error = None
    targets = [before_quantizer(unit, x, Mode.FLOAT) for x in walk.float_inputs(node)]
    check_finite(node.name, targets)
    inputs = walk.quantized_inputs(node)
    if isinstance(unit, QuantConv2d):
        width = unit.quantizer.width
        error = quantize_weights(unit, inputs, targets, config)
    maps = [before_quantizer(unit, x, Mode.FAKEQUANT) for x in inputs]
    if isinstance(unit, QuantConv2d) and config.correct:
        maps = correct(unit, inputs, maps, targets)
    set_unit_mode(unit, Mode.FLOAT)
    exact = [output(target) for target in targets]
    if output in walk.shared:
        end = end_of(output)
    else:
        wanted, same = sampled([x.real for x in exact]), _unchanged(walk, node, output)
        end = set_range(output, sampled(maps), wanted, config, preferred=same)
    set_unit_mode(unit, Mode.FAKEQUANT)
    if isinstance(unit, QuantConv2d):
        made = [output(part) for part in maps]
    else:
        made = [unit(*x) for x in inputs]
    walk.put(node, exact, made)
    bits = output.act_width if isinstance(output, LowBitActivation) else output.width
    return LayerReport(
        name=node.name, weight_width=width, weight_error=error, act_width=bits, end=end,
        snr_db=snr_db(exact, made),
    )  # fmt: skip


def _without_range(walk: Walk, node: Node, unit: Unit, config: CalibrationConfig) -> LayerReport:
    """A unit that passes codes on, or the classifier."""
    set_unit_mode(unit, Mode.FLOAT)
    exact = [unit(*inputs) for inputs in walk.float_inputs(node)]
    set_unit_mode(unit, Mode.FAKEQUANT)
    inputs = walk.quantized_inputs(node)
    made, width, error = [unit(*x) for x in inputs], None, None
    if isinstance(unit, QuantLinear):
        width = unit.quantizer.width
        levels, step = unit.quantizer(unit.weight)
        error = float((levels * step - unit.weight).square().sum() / unit.weight.square().sum())
        if config.correct:
            made = correct_classifier(unit, exact, made, inputs)
    walk.put(node, exact, made)
    return LayerReport(
        name=node.name, weight_width=width, weight_error=error, act_width=None, end=None,
        snr_db=snr_db(exact, made),
    )  # fmt: skip


def check_finite(name: str, maps: list[Tensor]) -> None:
    """Refuse a layer of the float network that makes NaN or infinities."""
    if not all(bool(part.isfinite().all()) for part in maps):
        raise NotANumberError(f"Layer {name!r}: maps of the float network must be finite")


def _unchanged(walk: Walk, node: Node, output: LowBitActivation | StreamQuantizer) -> float | None:
    """The end at which an activation reads a stream code for code; None if its codes are fewer."""
    source = walk.model.units().get(node.source)
    stream = None if source is None else source.stream
    if not isinstance(output, LowBitActivation) or stream is None:
        return None
    return output.count * stream.real_step if output.count >= stream.high else None


def snr_db(exact: list[Signal], made: list[Signal]) -> float:
    """Signal to noise of real values, decibels."""
    signal = noise = 1e-30
    for float_signal, ours in zip(exact, made, strict=True):
        x = float_signal.real
        signal += float(x.square().sum(dtype=torch.float64))
        noise += float((ours.real - x).square_().sum(dtype=torch.float64))
    return 10 * math.log10(signal / noise)
