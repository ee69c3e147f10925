"""Operators and their quantizers fused into layers, as ONNX Runtime fuses them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from ...spec.formats import Int64Array, IntFormat
from ...spec.host.text import shown
from ...spec.program import INPUT
from ..imported import Quantization, Scaling
from ..onnx.emit import Codes, Pair, convolution, window
from ..onnx.graph import Node
from ..onnx.layout import Edges, View
from ..onnx.result import Origins
from ..onnx.walk import Placed, Walk
from ..onnx.windows import Window, dilated, product_levels, product_view, window_of
from ..stages import stage
from .arithmetic import (
    Affine,
    Floats,
    added,
    averaged,
    mean_factor,
    requantized,
    sum_factor,
)
from .join import addition
from .resize import resize_scales, whole_factors
from .values import FORMATS, Awaiting, Chain, Coded, Fed, Pairing, Weights

CODE = IntFormat(width=8)
"""The program's codes: unsigned."""


@dataclass(kw_only=True, eq=False)
class Fusing(Walk[Placed]):
    """What the operators of the dialect are made of."""

    weights: dict[str, Weights] = field(default_factory=dict)
    origins: Origins = field(default_factory=Origins)
    start: Codes | None = None
    scaling: Scaling | None = None

    # -- parameters ------------------------------------------------------------------------------

    def affine(self, node: Node, scale: int, zero: int) -> Affine:
        """Scale and zero point of activations, inputs of `node`."""
        step = self.needed(node, scale, "scale")
        default = np.zeros(1, np.uint8)
        point = self.needed(node, zero, "zero point") if node.optional(zero) else default
        if step.size != 1 or point.size != 1:
            raise node.refuse("activations must have one scale and zero point", f"{step.size}")
        if str(point.dtype) not in FORMATS:
            raise node.refuse("codes must be uint8 or int8", f"{point.dtype}")
        value = np.float32(step.reshape(-1)[0])
        if not np.isfinite(value) or value <= 0:
            raise node.refuse("scale must be above 0", f"{value}")
        return Affine(format=FORMATS[str(point.dtype)], scale=value, zero=int(point.reshape(-1)[0]))

    def coded(self, node: Node, i: int = 0) -> Coded:
        """Input i of a node between DequantizeLinear and QuantizeLinear."""
        value = self.value(node, i)
        if not isinstance(value, Coded):
            raise node.refuse(
                f"input {shown(node.inputs[i])} must come from a DequantizeLinear",
                "floating point (ONNX Runtime would compute in float32)",
            )
        return value

    def _checked(self, node: Node, i: int, scale: int, zero: int) -> Coded:
        """Codes that are input i, whose scale and zero point are inputs as well."""
        affine, value = self.affine(node, scale, zero), self.value(node, i)
        if isinstance(value, Fed):
            return self._input(node, value, affine)
        if not isinstance(value, Coded) or value.affine.format != affine.format:
            raise node.refuse(f"input {i} must be codes {affine.format.name}", "others")
        return replace(value, affine=affine)

    def _weights(self, node: Node, i: int) -> Weights:
        """Input i as constants that a DequantizeLinear made."""
        self.needed(node, i, "weights")
        if node.inputs[i] not in self.weights:
            raise node.refuse(
                "weights must come from a DequantizeLinear",
                "floating point: `adqhw calibrate` or `adqhw.quantize` make a program of a float "
                "network",
            )
        found = self.weights[node.inputs[i]]
        if not (np.isfinite(found.scale).all() and (found.scale > 0).all()):
            raise node.refuse("scales of weights must be above 0", "others")
        return found

    def _given(self, node: Node, i: int, scale: int, zero: int, axis: int) -> Weights:
        """Constant codes that are input i, with scales and zero points along `axis`."""
        codes, step = self.needed(node, i, "weights"), self.needed(node, scale, "scale")
        default = np.zeros(1, np.int64)
        point = self.needed(node, zero, "zero point") if node.optional(zero) else default
        if codes.dtype not in (np.int8, np.uint8):
            raise node.refuse("weights must be int8 or uint8", f"{codes.dtype}")
        shape = [1] * codes.ndim
        shape[axis] = -1
        wide = point.astype(np.int64).reshape(shape if point.size > 1 else [1] * codes.ndim)
        return Weights(levels=codes.astype(np.int64) - wide, scale=step.reshape(-1), axis=axis)

    def _bias(self, node: Node, i: int) -> Int64Array | None:
        """Input i, integers of 32 bits that a DequantizeLinear made."""
        return None if node.optional(i) is None else self._weights(node, i).levels.reshape(-1)

    # -- sums ------------------------------------------------------------------------------------

    def _conv(
        self, node: Node, source: Coded, weights: Weights, bias: Int64Array | None
    ) -> Awaiting:
        kernel = weights.levels.shape[2:]
        levels, edges = dilated(node, weights.levels), (0, 0, 0, 0)
        framed = source.view.framed()
        if framed is not None:
            source, edges = replace(source, view=framed[0]), framed[1]
        source = self._map(node, source)
        area = window_of(node, kernel, source.codes.shape)
        made = self._summed(node, source, levels, weights, bias, area, edges)
        rank = (1, made.view.shape[0], *made.view.shape[1:][2 - len(kernel) :])
        return replace(made, view=View.whole(made.view.shape, rank))

    def _product(
        self, node: Node, source: Coded, weights: Weights, bias: Int64Array | None
    ) -> Awaiting:
        levels, logical = product_levels(node, source.view, weights.levels)
        if weights.scale.size > 1 and weights.axis != 1:
            raise node.refuse("weights must have one scale per output", "per input")
        kernel = levels.shape[2], levels.shape[3]
        area = Window(kernel=kernel, stride=(1, 1), padding=(0, 0, 0, 0))
        turned = replace(weights, axis=0)
        made = self._summed(node, source, levels, turned, bias, area, (0, 0, 0, 0))
        return replace(made, view=product_view(made.view.shape, logical))

    def _summed(
        self, node: Node, source: Coded, levels: Int64Array, weights: Weights,
        bias: Int64Array | None, area: Window, edges: Edges,
    ) -> Awaiting:  # fmt: skip
        a, b, c, d = (x + y for x, y in zip(area.padding, edges, strict=True))
        total = convolution(
            source.codes, levels, stride=area.stride, padding=(a, b, c, d),
            groups=node.integer("group", 1), pad_code=source.zero, label=node.where,
        )  # fmt: skip
        if weights.scale.size > 1 and (weights.axis != 0 or weights.scale.size != len(levels)):
            raise node.refuse("weights must have one scale per output channel", "others")
        shift = -source.zero * levels.reshape(len(levels), -1).sum(axis=1)
        if bias is not None:
            shift = shift + np.broadcast_to(bias, (len(levels),))
        low, high = int((total.low + shift).min()), int((total.high + shift).max())
        if low < -(1 << 31) or high >= 1 << 31:
            raise node.refuse("sums must fit 32 bits", f"{low}..{high}")
        scale = np.broadcast_to(weights.scale, (len(levels),)).astype(np.float32)

        def codes(out: Affine) -> Callable[[Int64Array], Int64Array]:
            factor = sum_factor(source.affine, scale, out)
            return lambda sums: requantized(sums, factor, out)

        view = View.whole(total.shape)
        real = (source.affine.scale * scale).astype(np.float32)
        return Awaiting(view=view, total=total, shift=shift, codes=codes, scale=real)

    def _mean(self, node: Node, source: Coded) -> Awaiting:
        kernel = source.codes.shape[1:]
        count = prod(kernel)
        total = window(source.codes, kernel, (1, 1), node.where)

        def codes(out: Affine) -> Callable[[Int64Array], Int64Array]:
            factor = mean_factor(source.affine, count, out)
            return lambda sums: requantized(sums, factor, out)

        shift = np.full(total.channels, -source.zero * count)
        view = self.pooled(source.view, total.shape)
        return Awaiting(view=view, total=total, shift=shift, codes=codes)

    def _average(self, node: Node, source: Coded, kernel: Pair, stride: Pair) -> Awaiting:
        count = prod(kernel)
        total = window(source.codes, kernel, stride, node.where)
        shift = np.full(total.channels, source.offset * count)
        every = np.arange(int(total.low.min()), int(total.high.max()) + 1) + source.offset * count

        def codes(out: Affine) -> Callable[[Int64Array], Int64Array]:
            table = averaged(every, count, source.affine, out)
            if table is None:
                raise node.refuse(
                    "average must not lie between two codes (ONNX Runtime adds float32 there, and "
                    "the order of the sum decides)", "do so",
                )  # fmt: skip
            return lambda sums: table[sums - every[0]]

        view = self.pooled(source.view, total.shape)
        return Awaiting(view=view, total=total, shift=shift, codes=codes)

    def _function(self, source: Coded, function: Callable[[Floats], Floats]) -> Awaiting:
        """A float32 function of each element."""
        total = window(source.codes, (1, 1), (1, 1), source.codes.name)

        def codes(out: Affine) -> Callable[[Int64Array], Int64Array]:
            return lambda values: out.codes(function(source.affine.real(values)))

        shift = np.full(total.channels, source.offset)
        return Awaiting(view=source.view, total=total, shift=shift, codes=codes)

    def _with_constant(
        self, node: Node, source: Coded, values: Int64Array, operand: Affine, first: bool
    ) -> Awaiting:
        """QLinearAdd with constant codes, one for each channel; first: they are operand A."""
        view = source.view
        each = self.per_channel(node, view, values)
        total = window(source.codes, (1, 1), (1, 1), node.where)
        single = values.shape[-1:] in ((), (1,)) and view.index.shape[-1] > 1

        def codes(out: Affine) -> Callable[[Int64Array], Int64Array]:
            def function(sums: Int64Array) -> Int64Array:
                known = np.broadcast_to(each[:, None], sums.shape)
                if first:
                    return added(known, sums, operand, source.affine, out, single and "a")
                return added(sums, known, source.affine, operand, out, single and "b")

            return function

        shift = np.full(total.channels, source.offset)
        return Awaiting(view=view, total=total, shift=shift, codes=codes)

    def chain_end(self, node: Node, source: Chain, out: Affine) -> Coded:
        """Integer sums, float32 operators, QuantizeLinear."""
        made = Awaiting(
            view=source.view, total=source.total, shift=source.shift,
            codes=lambda out: lambda sums: out.codes(source.real(sums)),
        )  # fmt: skip
        return self.staged(node, made, out)

    def _pair(self, node: Node, first: Coded, second: Coded) -> Pairing:
        shapes = first.view.index.shape, second.view.index.shape
        if shapes[0] != shapes[1]:
            raise node.refuse("operands must have one shape", f"{shapes[0]} and {shapes[1]}")
        label = node.outputs[0]
        if not np.array_equal(first.view.index, second.view.index):
            first, second = self._moved(first, f"{label}.a"), self._moved(second, f"{label}.b")
        return Pairing(view=first.view, first=first, second=second)

    def _limited(self, node: Node, low: float, high: float) -> Placed:
        source = self.value(node)
        if isinstance(source, Awaiting | Pairing):
            limits = max(source.limits[0], low), min(source.limits[1], high)
            return replace(source, limits=limits)
        ends = np.float32(low), np.float32(high)
        return self._function(self.coded(node), lambda x: np.clip(x, *ends))

    # -- stages ----------------------------------------------------------------------------------

    def staged(self, node: Node, source: Awaiting, out: Affine, label: str = "") -> Coded:
        """A sum that ends in codes of `out`."""
        label = label or node.outputs[0]
        function, shift = source.codes(out), source.shift[:, None]
        chosen = stage(
            lambda sums: function(sums + shift) - out.format.min, source.total.low,
            source.total.high, CODE, node.where,
        )  # fmt: skip
        codes = self.emitter.finish(source.total, chosen, label)
        made = Coded(view=source.view, codes=codes, affine=out)
        return self._said(made, label) if label == node.outputs[0] else made

    def joined(self, node: Node, source: Pairing, out: Affine) -> Coded:
        """An addition that ends in codes of `out`."""
        label = node.outputs[0]
        codes = addition(self.emitter, source.first, source.second, out, label, node.where)
        return self._said(Coded(view=source.view, codes=codes, affine=out), label)

    def requantized(self, node: Node, source: Coded, out: Affine, label: str) -> Coded:
        """Codes of another scale: DequantizeLinear and QuantizeLinear of each element."""
        if source.affine == out:
            return source
        return self.staged(node, self._function(source, lambda x: x), out, label)

    def _check_limits(self, node: Node, limits: tuple[float, float], out: Affine) -> None:
        """Refuse a Relu or Clip that the output's own limits do not do already."""
        ends = out.real(np.array([out.format.min, out.format.max]))
        if float(ends[0]) < limits[0] or float(ends[1]) > limits[1]:
            raise node.refuse(
                "Relu or Clip before it must lie outside the range of its codes (otherwise ONNX "
                "Runtime computes in float32)", f"range {ends[0]:.6g}..{ends[1]:.6g}",
            )  # fmt: skip

    def _input(self, node: Node, source: Fed, affine: Affine) -> Coded:
        """The graph's input as codes."""
        codes = Codes(name=INPUT, shape=source.view.shape, format=CODE)
        made = Coded(view=source.view, codes=codes, affine=affine)
        if self.start is None:
            self.start = codes
            self._say(replace(made, view=source.origin), self.graph.input.name)
            return made
        known = self.origins.found[0].quantization
        if (known.format, known.scale, known.zero_point) != quantization(affine):
            raise node.refuse("input must be quantized in one way", "in several")
        return made

    def _said(self, value: Coded, name: str) -> Coded:
        self._say(value, name)
        return value

    def _say(self, value: Coded, name: str) -> None:
        form, scale, zero = quantization(value.affine)
        known = Quantization(format=form, scale=scale, zero_point=zero)
        self.origins.say(value.codes, name, value.view, known, value.offset)

    # -- maps ------------------------------------------------------------------------------------

    def _map(self, node: Node, source: Coded) -> Coded:
        """A tensor that is a map (C, H, W) in order."""
        return source if source.view.is_map else self._moved(source, f"{node.outputs[0]}.in")

    def _moved(self, source: Coded, label: str) -> Coded:
        codes = self.selected(source.codes, source.view, source.zero, label)
        return replace(source, codes=codes, view=View.whole(codes.shape, source.view.index.shape))

    def _next_affine(self, node: Node) -> Affine:
        """Of the QuantizeLinear that follows."""
        after = self.graph.consumers().get(node.outputs[0], [])
        if len(after) != 1 or after[0].op != "QuantizeLinear":
            raise node.refuse("QuantizeLinear must follow", "another operator")
        return self.affine(after[0], 1, 2)

    def _joined_channels(self, node: Node, parts: list[Coded]) -> Coded:
        label = node.outputs[0]
        parts = [self._moved(x, f"{label}.{i}") for i, x in enumerate(parts)]
        rank = parts[0].view.index.ndim
        flat = all(x.view.shape[1:] == (1, 1) for x in parts)
        if node.integer("axis", 1) % rank != 1 or not (rank > 2 or flat):
            raise node.refuse("axis must be that of the channels", f"{node.integer('axis', 1)}")
        codes = self.emitter.concat([x.codes for x in parts], label)
        shape = (1, *codes.shape) if rank == 4 else (1, codes.channels, codes.shape[2])[:rank]
        made = replace(parts[0], codes=codes, view=View.whole(codes.shape, shape))
        return self._said(made, label)

    def _upsampled(self, node: Node, source: Coded) -> Coded:
        height, width = source.codes.shape[1:]
        scales = resize_scales(self, node, source.view.index.shape)
        factors = whole_factors(node, (height, width), scales)
        codes = self.emitter.upsample(source.codes, factors, node.outputs[0])
        return replace(source, codes=codes, view=View.whole(codes.shape))


def quantization(affine: Affine) -> tuple[IntFormat, float, int]:
    """Format, scale and zero point."""
    return affine.format, float(affine.scale), affine.zero
