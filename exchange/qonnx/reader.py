"""Dialect `qonnx`: QONNX files, as the package qonnx executes them.

Weights are quantized as the file says, in float32. Between an integer sum and the next quantizer
everything is computed in exact rational numbers of the file's float32 constants, so a quantizer's
steps are integers of the sum; qonnx itself adds floats, which agrees but for values within its
rounding of a boundary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

import numpy as np

from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.host.text import shown
from ...spec.program import INPUT
from ..imported import Imported, Origin, Quantization, Scaling
from ..onnx.emit import Codes, Pair, convolution, plain, window
from ..onnx.graph import Array, Graph, Node
from ..onnx.layout import View
from ..onnx.result import imported, input_view
from ..onnx.walk import Placed, Walk
from ..onnx.windows import dilated, product_levels, product_view, window_of
from .inputs import Raw
from .rationals import Line, exact
from .stage import Quantizing
from .values import Reals, integer_zero, joined, settled, shared, unpooled
from .weights import Quantized, binarize, moves, quantize

ANNOTATED = {"BINARY": IntFormat(width=1)} | {
    f"{name}{bits}": IntFormat(width=bits, signed=name == "INT")
    for name in ("INT", "UINT")
    for bits in range(2, 9)
}
"""Integer types of qonnx's annotations that an input may have."""


@dataclass(kw_only=True, eq=False)
class Qonnx(Quantizing, Walk[Placed]):
    """Reads the operators of QONNX networks."""

    handlers: ClassVar[Mapping[str, str]] = {
        "Quant": "quant", "IntQuant": "quant", "BipolarQuant": "bipolar_quant", "Trunc": "trunc",
        "MultiThreshold": "multi_threshold", "Conv": "conv", "MatMul": "matmul", "Gemm": "gemm",
        "BatchNormalization": "batch_norm", "Relu": "relu", "Clip": "clip", "Mul": "scale",
        "Div": "divide", "Add": "add", "Sub": "subtract", "Neg": "negate", "MaxPool": "max_pool",
        "AveragePool": "average_pool", "GlobalAveragePool": "global_average_pool",
        "ReduceMean": "reduce_mean", "Concat": "concat", "Cast": "cast",
    }  # fmt: skip
    domains: ClassVar[tuple[str, ...]] = (
        "qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general",
    )  # fmt: skip
    final: ClassVar[tuple[str, ...]] = ("Softmax", "LogSoftmax", "ArgMax", "TopK", "Sigmoid")

    def begin(self, form: IntFormat | None) -> None:
        """The graph's input: integers of a format, or floating point until a quantizer."""
        fed = self.graph.input
        view = input_view(self.graph)
        form = form or ANNOTATED.get(self.graph.annotations.get(fed.name, ""))
        if form is None:
            self.values[fed.name] = Raw(view=view, origin=view.index)
            return
        codes = Codes(name=INPUT, shape=view.shape, format=form)
        self.start = codes
        self.origins.say(codes, fed.name, view, Quantization(format=form, scale=1.0, zero_point=0))
        one, none = (Fraction(1),) * codes.channels, (Fraction(0),) * codes.channels
        self.values[fed.name] = Reals(view=view, codes=codes, line=Line.of(one, none))

    def folded(self, node: Node) -> Array | None:
        """Quantizers of constants, and operators that move or scale quantized constants."""
        name, values = node.outputs[0], [self.constants[x] for x in node.inputs if x]
        found: Quantized | None = None
        if node.op in ("Quant", "IntQuant"):
            found = quantize(node, *values[:4])
        elif node.op == "BipolarQuant":
            found = binarize(node, *values[:2])
        elif node.inputs and node.inputs[0] in self.quantized and moves(node):
            found = self.quantized[node.inputs[0]].moved(node, self.constants)
        if found is None:
            return None
        self.quantized[name] = found
        return np.asarray(found.levels * found.scale).astype(found.scale.dtype)

    def end(self, value: Placed) -> None:
        """The result: codes, or sums with their scale."""
        if not isinstance(value, Reals):
            raise InputError("Output must be computed by a layer, not be the input itself")
        label = self.graph.output
        value = joined(unpooled(value, self.emitter, label), self.emitter, label)
        codes, line, view = value.codes, value.line, value.view
        if codes is None:
            total = value.summed(label)
            codes = self.emitter.finish(
                total, plain(total, np.zeros(total.channels, np.int64)), label
            )
        if codes.name != self.emitter.last or not (view.is_whole or view.pixels()):
            codes = self.selected(codes, view, 0, label, copied=True)
            if not value.line.uniform and not view.is_whole:
                raise InputError(
                    "Output must be a map or features in order, not another arrangement"
                )
            view = View.whole(codes.shape, view.index.shape)
            if line.uniform:
                line = Line.of(*(x[:1] * codes.channels for x in (line.scale, line.offset)))
        last = [x for x in self.origins.found if x.tensor == codes.name]
        if last and not value.line.limited and _said(line, last[-1]):
            self.origins.found.remove(last[-1])
            self.origins.found.append(last[-1])
            return
        known = Quantization(format=codes.format, scale=1.0, zero_point=0)
        self.origins.say(codes, label, view, known)
        self.scaling = scaling_of(line)

    # -- layers that sum -------------------------------------------------------------------------

    def conv(self, node: Node) -> Reals:
        weights = self._weights(node, 1)
        levels, kernel = dilated(node, weights.levels), weights.levels.shape[2:]
        source = self._map(node)
        assert source.codes is not None
        area = window_of(node, kernel, source.codes.shape)
        return self._summed(node, source, weights, levels, area.stride, area.padding, kernel)

    def matmul(self, node: Node) -> Reals:
        if node.inputs[0] in self.constants:
            raise node.refuse("constant operand must be the second one", "the first")
        return self._product(node, self._weights(node, 1), None)

    def gemm(self, node: Node) -> Reals:
        for key in ("alpha", "beta"):
            if node.number(key, 1.0) != 1.0:
                raise node.refuse(f"{key} must be 1", shown(node.attributes[key]))
        weights = self._weights(node, 1)
        if node.integer("transB", 0):
            flipped = Quantized(levels=weights.levels.T, scale=weights.scale.T)
            return self._product(node, flipped, node.optional(2))
        return self._product(node, weights, node.optional(2))

    def _product(self, node: Node, weights: Quantized, bias: str | None) -> Reals:
        source = settled(self.real(node), self.emitter, f"{node.outputs[0]}.in")
        assert source.codes is not None
        levels, logical = product_levels(node, source.view, weights.levels)
        turned = Quantized(levels=levels, scale=weights.scale.T)
        made = self._summed(node, source, turned, levels, (1, 1), (0, 0, 0, 0), levels.shape[2:])
        return replace(made, view=product_view(made.view.shape, logical))

    def _summed(
        self, node: Node, source: Reals, weights: Quantized, levels: Int64Array, stride: Pair,
        padding: tuple[int, int, int, int], kernel: tuple[int, ...],
    ) -> Reals:  # fmt: skip
        """Weights times values: a sum of codes, its line, and the bias."""
        assert source.codes is not None
        codes, groups = source.codes, node.integer("group", 1)
        padding, zero = self._padding(node, source, padding)
        total = convolution(
            codes, levels, stride=stride, padding=padding, groups=groups, pad_code=zero or 0,
            label=node.where,
        )  # fmt: skip
        lines = shared(source.line, groups)
        if lines is None:
            raise node.refuse("input must have one scale and zero point", "one per channel")
        each = len(levels) // groups
        own = weights.rows(node)
        scale = tuple(s * lines[0][o // each] for o, s in enumerate(own))
        counts = levels.reshape(len(levels), -1).sum(axis=1).tolist()
        offset = [s * lines[1][o // each] * counts[o] for o, s in enumerate(own)]
        name = node.optional(2) if node.op in ("Conv", "Gemm") else None
        if name is not None:
            bias = exact(np.broadcast_to(self.needed(node, 2, "bias").reshape(-1), len(levels)))
            offset = [a + b for a, b in zip(offset, bias, strict=True)]
        rank = (1, total.channels, *total.shape[1:][2 - len(kernel) :])
        return Reals(view=View.whole(total.shape, rank), total=total, line=Line.of(scale, offset))

    def _padding(
        self, node: Node, source: Reals, padding: tuple[int, int, int, int]
    ) -> tuple[tuple[int, int, int, int], int | None]:
        """Padding together with a Pad node's, and the code of the real zero that it inserts."""
        framed = source.view.framed() if node.op == "Conv" else None
        edges = framed[1] if framed is not None else (0, 0, 0, 0)
        a, b, c, d = (x + y for x, y in zip(padding, edges, strict=True))
        zero = integer_zero(source)
        if any((a, b, c, d)) and zero is None:
            raise node.refuse("padding must insert real zero", "a value that no code has")
        return (a, b, c, d), zero

    # -- pools and joins -------------------------------------------------------------------------

    def max_pool(self, node: Node) -> Reals:
        source = self.real(node)
        if source.other is not None or (source.codes is None and not source.view.is_map):
            source = settled(source, self.emitter, f"{node.outputs[0]}.in")
        if any(x != 1 for x in node.integers("dilations", (1,))) or not source.view.is_map:
            raise node.refuse("pool must be without dilation, on a map", "another one")
        shape = source.view.shape
        area = window_of(node, node.integers("kernel_shape", ()), shape)
        if source.codes is not None and source.pool is None:
            if source.line.falls:
                raise node.refuse("values must rise with their codes", "fall")
            codes = self.emitter.max_pool(
                source.codes, area.kernel, area.stride, area.padding, node.outputs[0]
            )
            return replace(source, codes=codes, view=self.pooled(source.view, codes.shape))
        source = unpooled(source, self.emitter, f"{node.outputs[0]}.in")
        if source.codes is not None:
            return self.max_pool_of(source, area, node)
        return self.deferred(source, area, node)

    def average_pool(self, node: Node) -> Reals:
        source = self._map(node)
        assert source.codes is not None
        area = window_of(node, node.integers("kernel_shape", ()), source.codes.shape)
        if any(area.padding):
            raise node.refuse("average pool must be without padding", f"{area.padding}")
        return self._averaged(node, source, area.kernel, area.stride)

    def global_average_pool(self, node: Node) -> Reals:
        source = self._map(node)
        assert source.codes is not None
        return self._averaged(node, source, source.codes.shape[1:], (1, 1))

    def reduce_mean(self, node: Node) -> Reals:
        source = self._map(node)
        assert source.codes is not None
        axes = node.integers("axes", ())
        if node.optional(1) is not None:
            axes = tuple(int(x) for x in self.needed(node, 1, "axes").reshape(-1))
        if sorted(a % 4 for a in axes) != [2, 3] or source.view.index.ndim != 4:
            raise node.refuse("axes must be the map's, 2 and 3", f"{axes}")
        made = self._averaged(node, source, source.codes.shape[1:], (1, 1))
        if node.integer("keepdims", 1):
            return made
        return made.viewed(View.whole(made.view.shape, (1, made.channels)))

    def _averaged(self, node: Node, source: Reals, kernel: Pair, stride: Pair) -> Reals:
        assert source.codes is not None
        total = window(source.codes, kernel, stride, node.where)
        count = (Fraction(1, kernel[0] * kernel[1]),) * source.channels
        line = Line.of(source.line.times(count).scale, source.line.offset)
        return Reals(view=self.pooled(source.view, total.shape), total=total, line=line)

    def concat(self, node: Node) -> Reals:
        label = node.outputs[0]
        names = range(len(node.inputs))
        parts = [settled(self.real(node, i), self.emitter, f"{label}.{i}") for i in names]
        features = [x.view.is_whole and x.view.shape[1:] == (1, 1) for x in parts]
        if not all(x.view.is_map or flat for x, flat in zip(parts, features, strict=True)):
            raise node.refuse("operands must be maps or features", "another arrangement")
        if node.integer("axis", 1) % parts[0].view.index.ndim != 1:
            raise node.refuse("axis must be that of the channels", f"{node.integer('axis', 1)}")
        formats = [x.codes.format for x in parts if x.codes is not None]
        out = IntFormat.holding(min(x.min for x in formats), max(x.max for x in formats))
        codes = [self.widened(x, out, f"{label}.{i}") for i, x in enumerate(parts)]
        made = self.emitter.concat(codes, label)
        line = Line.of(
            tuple(a for x in parts for a in x.line.scale),
            tuple(b for x in parts for b in x.line.offset),
        )
        rank = (1, *made.shape) if parts[0].view.index.ndim == 4 else (1, made.channels)
        return Reals(view=View.whole(made.shape, rank), codes=made, line=line)

    # -- lines -----------------------------------------------------------------------------------

    def batch_norm(self, node: Node) -> Placed:
        """`x*a + b` with a and b as ONNX Runtime's kernel computes them, in float32."""
        names = ("scale", "bias", "mean", "variance")
        gamma, beta, mean, var = (self.needed(node, i + 1, x) for i, x in enumerate(names))
        epsilon = np.float32(node.number("epsilon", 1e-5))
        with np.errstate(all="ignore"):
            inverse = np.float32(1) / np.sqrt(var.astype(np.float32) + epsilon)
            a = inverse * gamma.astype(np.float32)
            b = beta.astype(np.float32) - mean.astype(np.float32) * inverse * gamma
        source = self.value(node)
        shape = (1, -1) + (1,) * (source.view.index.ndim - 2)
        return self._plus(node, self._times(node, source, a.reshape(shape)), b.reshape(shape))

    def relu(self, node: Node) -> Placed:
        source = self.value(node)
        if isinstance(source, Raw):
            return source.then("Max", np.zeros(1, np.float32), False, node)
        return replace(source, line=self.real(node).line.limits(Fraction(0), None))  # type: ignore[type-var]

    def clip(self, node: Node) -> Placed:
        bounds: list[Fraction | None] = []
        for i, key in ((1, "min"), (2, "max")):
            given = node.attributes.get(key)
            if node.optional(i) is not None:
                given = self.needed(node, i, key).reshape(-1)[0].item()
            bounds.append(None if given is None or not np.isfinite(given) else Fraction(given))
        source = self.real(node)
        return replace(source, line=source.line.limits(bounds[0], bounds[1]))

    def scale(self, node: Node) -> Placed:
        i = self._constant_side(node)
        return self._times(node, self.value(node, 1 - i), self.constants[node.inputs[i]], i == 0)

    def divide(self, node: Node) -> Placed:
        source, divisor = self.value(node), self.needed(node, 1, "divisor")
        if isinstance(source, Raw):
            return source.then("Div", divisor, False, node)
        if not np.isfinite(divisor).all() or (divisor == 0).any():
            raise node.refuse("divisor must be finite and not 0", "others")
        factor = tuple(1 / x for x in self._numbers(node, source, divisor))
        return self.multiplied(self.real(node), factor, node)

    def negate(self, node: Node) -> Placed:
        return self._times(node, self.value(node), np.float32(-1).reshape(1))

    def add(self, node: Node) -> Placed:
        if not any(x in self.constants for x in node.inputs):
            return self.both(node, self.real(node, 0), self.real(node, 1), 1)
        i = self._constant_side(node)
        return self._plus(node, self.value(node, 1 - i), self.constants[node.inputs[i]], i == 0)

    def subtract(self, node: Node) -> Placed:
        if not any(x in self.constants for x in node.inputs):
            return self.both(node, self.real(node, 0), self.real(node, 1), -1)
        i = self._constant_side(node)
        source, constant = self.value(node, 1 - i), self.constants[node.inputs[i]]
        if isinstance(source, Raw):
            return source.then("Sub", constant, i == 0, node)
        if i == 1:
            return self._plus(node, source, -constant)
        minus = self._times(node, source, np.float32(-1).reshape(1))
        return self._plus(node, minus, constant)

    def cast(self, node: Node) -> Placed:
        if node.integer("to", 1) not in (1, 11):  # float, double
            raise node.refuse("cast must be to float or double", f"type {node.integer('to', 1)}")
        return self.value(node)

    def _times(self, node: Node, source: Placed, constant: Array, swapped: bool = False) -> Placed:
        if isinstance(source, Raw):
            return source.then("Mul", constant, swapped, node)
        assert isinstance(source, Reals)
        return self.multiplied(source, self._numbers(node, source, constant), node)

    def _plus(self, node: Node, source: Placed, constant: Array, swapped: bool = False) -> Placed:
        if isinstance(source, Raw):
            return source.then("Add", constant, swapped, node)
        assert isinstance(source, Reals)
        return replace(source, line=source.line.plus(self._numbers(node, source, constant)))

    def _constant_side(self, node: Node) -> int:
        sides = [i for i in (0, 1) if node.inputs[i] in self.constants]
        if len(node.inputs) != 2 or len(sides) != 1:
            raise node.refuse("one operand must be constant", "none")
        return sides[0]


def read_qonnx(graph: Graph, form: IntFormat | None) -> Imported:
    """The program of a QONNX network; form: of the input's codes, where it has no quantizer."""
    walk = Qonnx(graph=graph)
    walk.begin(form)
    walk.end(walk.run())
    if walk.start is None:
        raise InputError("Input must be quantized, not floating point")
    return imported(
        "qonnx", walk.emitter.layers, walk.start, walk.origins, "even", walk.dropped,
        walk.encoder, walk.scaling,
    )  # fmt: skip


def scaling_of(line: Line) -> Scaling:
    """A line in float64, each number rounded once."""
    low = [-np.inf if x is None else float(x) for x in line.low]
    high = [np.inf if x is None else float(x) for x in line.high]
    rows = ([float(x) for x in line.scale], [float(x) for x in line.offset], low, high)
    scale, offset, lows, highs = (np.array(row, np.float64) for row in rows)
    return Scaling(scale=scale, offset=offset, low=lows, high=highs)


def _said(line: Line, origin: Origin) -> bool:
    """Whether the origin's scale and zero point already say what the line says."""
    known = origin.quantization
    step = {float(x) for x in line.scale}
    zero = {
        round(-b / a) if (b / a).denominator == 1 else None
        for a, b in zip(line.scale, line.offset, strict=True)
    }
    return step == {known.scale} and zero == {known.zero_point - origin.offset}
