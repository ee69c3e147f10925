"""Dialect `onnxruntime`: QDQ and QOperator files, with the bits of ONNX Runtime's CPU provider.

At its default optimization level a QDQ network is fused: DequantizeLinear - operator -
QuantizeLinear becomes the operator's integer kernel. This dialect has the bits of the fused
network, with sums of products exact in 32 bits. (Processors without VNNI add uint8 times int8 in
16 bits with saturation, unless the session option `session.x64quantprecision` is 1; the dialect
does not reproduce that.) What ONNX Runtime would compute in float32 is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.host.text import shown
from ..imported import Imported, Quantization, Scaling
from ..onnx.emit import plain
from ..onnx.graph import Array, Graph, Node
from ..onnx.layout import View
from ..onnx.result import imported, input_view
from ..onnx.walk import Placed
from ..onnx.windows import window_of
from .arithmetic import Affine
from .fusion import Fusing
from .values import Awaiting, Chain, Coded, Fed, Pairing, Weights


@dataclass(kw_only=True, eq=False)
class Runtime(Fusing):
    """Reads the operators of ONNX Runtime's quantized networks."""

    handlers: ClassVar[Mapping[str, str]] = {
        "QuantizeLinear": "quantize", "DequantizeLinear": "dequantize", "Conv": "conv",
        "MatMul": "matmul", "Gemm": "gemm", "Add": "add", "Relu": "relu", "Clip": "clip",
        "LeakyRelu": "leaky_relu", "MaxPool": "max_pool", "AveragePool": "average_pool",
        "GlobalAveragePool": "global_average_pool", "ReduceMean": "reduce_mean",
        "Concat": "concat", "Resize": "resize", "Upsample": "resize",
        "QLinearConv": "qlinear_conv", "QLinearMatMul": "qlinear_matmul", "QGemm": "qgemm",
        "QLinearAdd": "qlinear_add", "QLinearConcat": "qlinear_concat",
        "QLinearGlobalAveragePool": "qlinear_mean", "QLinearAveragePool": "qlinear_average",
        "QLinearLeakyRelu": "qlinear_leaky_relu", "ConvInteger": "conv_integer",
        "MatMulInteger": "matmul_integer", "Cast": "cast", "Mul": "chained", "Sub": "chained",
        "Div": "chained",
    }  # fmt: skip
    domains: ClassVar[tuple[str, ...]] = ("com.microsoft",)
    final: ClassVar[tuple[str, ...]] = (*Fusing.final, "QLinearSoftmax", "QLinearSigmoid")

    def begin(self) -> None:
        """The graph's input: floating point, or codes."""
        fed = self.graph.input
        view = input_view(self.graph)
        self.values[fed.name] = Fed(view=view, origin=view)

    def end(self, value: Placed) -> None:
        """The result: codes, or the sums of a last layer whose result is floating point."""
        label = self.graph.output
        if isinstance(value, Awaiting) and value.scale is not None:
            stage_ = plain(value.total, value.shift)
            codes = self.emitter.finish(value.total, stage_, label)
            known = Quantization(format=codes.format, scale=1.0, zero_point=0)
            limits = (np.full(codes.channels, x) for x in value.limits)
            low, high = limits
            scale = np.broadcast_to(value.scale, (codes.channels,)).astype(np.float64)
            self.scaling = Scaling(scale=scale, offset=0 * scale, low=low, high=high)
            self.origins.say(codes, label, value.view, known)
            return
        if not isinstance(value, Coded):
            raise InputError("Output must be quantized, or be the sums of a layer")
        codes, view = value.codes, value.view
        if codes.name != self.emitter.last or not (view.is_whole or view.pixels()):
            codes = self.selected(codes, view, value.zero, label, copied=True)
            view = View.whole(codes.shape, view.index.shape)
        self._say(replace(value, codes=codes, view=view), label)

    def folded(self, node: Node) -> Array | None:
        """Quantized constants: what DequantizeLinear makes of them is remembered as integers."""
        if node.op not in ("DequantizeLinear", "QuantizeLinear"):
            return None
        values, scale = self.constants[node.inputs[0]], self.constants[node.inputs[1]]
        zero = self.constants[node.inputs[2]] if node.optional(2) else np.zeros(1, np.int64)
        axis = node.integer("axis", 1) % max(values.ndim, 1) if scale.size > 1 else 0
        if scale.ndim > 1 or scale.size not in (1, values.shape[axis] if values.ndim else 1):
            raise node.refuse(
                "scale must be one number or one per index of the axis", f"{scale.shape}"
            )
        shape, one = [1] * values.ndim, [1] * values.ndim
        if scale.size > 1:
            shape[axis] = -1
        wide_scale, wide_zero = scale.reshape(shape), zero.reshape(shape if zero.size > 1 else one)
        if node.op == "QuantizeLinear":
            form = np.iinfo(zero.dtype if node.optional(2) else np.uint8)
            codes = np.clip(np.rint(values / wide_scale) + wide_zero, form.min, form.max)
            return codes.astype(form.dtype)
        if values.dtype.kind not in "iu":
            raise node.refuse("codes must be integers", f"{values.dtype}")
        levels = values.astype(np.int64) - wide_zero.astype(np.int64)
        self.weights[node.outputs[0]] = Weights(
            levels=levels, scale=scale.reshape(-1), axis=axis, zero=int(zero.reshape(-1)[0])
        )
        return np.asarray(levels.astype(np.float32) * wide_scale)

    # -- QDQ -------------------------------------------------------------------------------------

    def quantize(self, node: Node) -> Coded:
        out = self.affine(node, 1, 2)
        source = self.value(node)
        match source:
            case Fed():
                return self._input(node, source, out)
            case Coded():
                made = self.requantized(node, source, out, node.outputs[0])
                return self._said(made, node.outputs[0]) if made is source else made
            case Awaiting():
                self._check_limits(node, source.limits, out)
                return self.staged(node, source, out)
            case Chain():
                return self.chain_end(node, source, out)
            case Pairing():
                self._check_limits(node, source.limits, out)
                return self.joined(node, source, out)
            case _:
                raise node.refuse("input must be a tensor of the graph", "another")

    def dequantize(self, node: Node) -> Coded:
        affine = self.affine(node, 1, 2)
        source = self.value(node)
        if isinstance(source, Fed):
            return self._input(node, source, affine)
        if not isinstance(source, Coded) or source.affine != affine:
            raise node.refuse("scale and zero point must be those of the QuantizeLinear", "others")
        return source

    def conv(self, node: Node) -> Awaiting:
        return self._conv(node, self.coded(node), self._weights(node, 1), self._bias(node, 2))

    def matmul(self, node: Node) -> Awaiting:
        return self._product(node, self.coded(node), self._weights(node, 1), None)

    def gemm(self, node: Node) -> Awaiting:
        for key, wanted in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)):
            if node.number(key, wanted) != wanted:
                raise node.refuse(f"{key} must be {wanted:g}", shown(node.attributes[key]))
        weights = self._weights(node, 1)
        if node.integer("transB", 0):
            weights = replace(weights, levels=weights.levels.T, axis=1 - weights.axis)
        return self._product(node, self.coded(node), weights, self._bias(node, 2))

    def add(self, node: Node) -> Placed:
        if any(isinstance(self.values.get(x), Chain) for x in node.inputs):
            return self.chained(node)
        sides = [i for i in (0, 1) if node.inputs[i] in self.constants]
        if not sides:
            return self._pair(node, self.coded(node, 0), self.coded(node, 1))
        i = sides[0]
        given = self._weights(node, i)
        if given.scale.size != 1:
            raise node.refuse("constant operand must have one scale", f"{given.scale.size}")
        form = IntFormat(width=32, signed=True)
        operand = Affine(format=form, scale=given.scale[0], zero=given.zero)
        source = self.coded(node, 1 - i)
        return self._with_constant(node, source, given.levels + given.zero, operand, i == 0)

    def relu(self, node: Node) -> Placed:
        source = self.value(node)
        if isinstance(source, Chain):
            zero = np.zeros(source.total.channels, np.float32)
            return replace(source, steps=(*source.steps, ("Relu", zero)))
        return self._limited(node, 0.0, np.inf)

    def clip(self, node: Node) -> Placed:
        bounds = []
        for i, key, none in ((1, "min", -np.inf), (2, "max", np.inf)):
            given = node.number(key, none)
            if node.optional(i) is not None:
                given = float(self.needed(node, i, key).reshape(-1)[0])
            bounds.append(given)
        return self._limited(node, bounds[0], bounds[1])

    def leaky_relu(self, node: Node) -> Placed:
        source, alpha = self.coded(node), np.float32(node.number("alpha", 0.01))
        return self._function(source, lambda x: np.where(x >= 0, x, x * alpha))

    def max_pool(self, node: Node) -> Coded:
        source = self._map(node, self.coded(node))
        area = window_of(node, node.integers("kernel_shape", ()), source.codes.shape)
        if any(x != 1 for x in node.integers("dilations", (1,))):
            raise node.refuse("dilations must be 1", f"{node.integers('dilations', (1,))}")
        codes = self.emitter.max_pool(
            source.codes, area.kernel, area.stride, area.padding, node.outputs[0]
        )
        return replace(source, codes=codes, view=self.pooled(source.view, codes.shape))

    def average_pool(self, node: Node) -> Awaiting:
        source = self._map(node, self.coded(node))
        area = window_of(node, node.integers("kernel_shape", ()), source.codes.shape)
        if any(area.padding):
            raise node.refuse("average pool must be without padding", f"{area.padding}")
        return self._average(node, source, area.kernel, area.stride)

    def global_average_pool(self, node: Node) -> Awaiting:
        return self._mean(node, self._map(node, self.coded(node)))

    def reduce_mean(self, node: Node) -> Awaiting:
        raise node.refuse(
            "mean must be a GlobalAveragePool, which torch.onnx.export(..., dynamo=False) writes "
            "(ONNX Runtime computes ReduceMean in float32, in an order of its own)",
            "ReduceMean",
        )

    def concat(self, node: Node) -> Placed:
        parts = [self.coded(node, i) for i in range(len(node.inputs))]
        if len({x.affine for x in parts}) > 1:
            out = self._next_affine(node)
            parts = [
                self.requantized(node, x, out, f"{node.outputs[0]}.{i}")
                for i, x in enumerate(parts)
            ]
        return self._joined_channels(node, parts)

    def resize(self, node: Node) -> Coded:
        source = self._map(node, self.coded(node))
        return self._upsampled(node, source)

    # -- integer products, then float32 operators of constants -------------------------------------

    def conv_integer(self, node: Node) -> Chain:
        weights = self._plain_weights(node, 0)
        return _chain(self._conv(node, self._integers(node), weights, None))

    def matmul_integer(self, node: Node) -> Chain:
        weights = self._plain_weights(node, 1)
        return _chain(self._product(node, self._integers(node), weights, None))

    def _plain_weights(self, node: Node, axis: int) -> Weights:
        """Input 1 minus its zero points, input 3; without a scale."""
        codes = self.needed(node, 1, "weights")
        point = self.needed(node, 3, "zero point") if node.optional(3) else np.zeros(1, np.int64)
        shape = [1] * codes.ndim
        if point.size > 1:
            shape[axis] = -1
        levels = codes.astype(np.int64) - point.astype(np.int64).reshape(shape)
        return Weights(levels=levels, scale=np.ones(1, np.float32), axis=axis)

    def _integers(self, node: Node) -> Coded:
        """Input 0 as codes, whose zero point is input 2."""
        value = self.value(node)
        zero = int(self.needed(node, 2, "zero point").reshape(-1)[0]) if node.optional(2) else 0
        if not isinstance(value, Coded) or value.affine.zero != zero:
            raise node.refuse(
                "input must be codes of a QuantizeLinear with this zero point", "others"
            )
        return value

    def cast(self, node: Node) -> Placed:
        source = self.value(node)
        if not isinstance(source, Chain) or node.integer("to", 1) != 1 or source.steps:
            raise node.refuse("cast must be of integer sums to float", "another")
        return source

    def chained(self, node: Node) -> Chain:
        sides = [i for i in (0, 1) if node.inputs[i] in self.constants]
        if len(sides) != 1 or (sides[0] == 0 and node.op in ("Sub", "Div")):
            raise node.refuse("second operand must be constant", "others")
        source = self.value(node, 1 - sides[0])
        if not isinstance(source, Chain):
            raise node.refuse("operand must be integer sums (ConvInteger, MatMulInteger)", "others")
        constant = self.constants[node.inputs[sides[0]]]
        each = self.per_channel(node, source.view, constant).astype(np.float32)
        return replace(source, steps=(*source.steps, (node.op, each)))

    # -- QOperator -------------------------------------------------------------------------------

    def qlinear_conv(self, node: Node) -> Coded:
        source = self._checked(node, 0, 1, 2)
        weights = self._given(node, 3, 4, 5, 0)
        bias = self.needed(node, 8, "bias").astype(np.int64) if node.optional(8) else None
        return self.staged(node, self._conv(node, source, weights, bias), self.affine(node, 6, 7))

    def qlinear_matmul(self, node: Node) -> Coded:
        source, weights = self._checked(node, 0, 1, 2), self._given(node, 3, 4, 5, 1)
        made = self._product(node, source, weights, None)
        return self.staged(node, made, self.affine(node, 6, 7))

    def qgemm(self, node: Node) -> Placed:
        for key, wanted in (("alpha", 1.0), ("transA", 0)):
            if node.number(key, wanted) != wanted:
                raise node.refuse(f"{key} must be {wanted:g}", shown(node.attributes[key]))
        turned = bool(node.integer("transB", 0))
        source = self._checked(node, 0, 1, 2)
        weights = self._given(node, 3, 4, 5, 0 if turned else 1)
        if turned:
            weights = replace(weights, levels=weights.levels.T, axis=1)
        bias = self.needed(node, 6, "bias").astype(np.int64) if node.optional(6) else None
        made = self._product(node, source, weights, bias)
        return self.staged(node, made, self.affine(node, 7, 8)) if node.optional(7) else made

    def qlinear_add(self, node: Node) -> Coded:
        out = self.affine(node, 6, 7)
        sides = [i for i in (0, 3) if node.inputs[i] in self.constants]
        if not sides:
            pair = self._pair(node, self._checked(node, 0, 1, 2), self._checked(node, 3, 4, 5))
            return self.joined(node, pair, out)
        i = sides[0]
        operand = self.affine(node, i + 1, i + 2)
        values = self.needed(node, i, "operand").astype(np.int64)
        source = self._checked(node, 3 - i, 4 - i, 5 - i)
        return self.staged(node, self._with_constant(node, source, values, operand, i == 0), out)

    def qlinear_mean(self, node: Node) -> Coded:
        if node.integer("channels_last", 0):
            raise node.refuse("channels_last must be 0", "1")
        source = self._map(node, self._checked(node, 0, 1, 2))
        return self.staged(node, self._mean(node, source), self.affine(node, 3, 4))

    def qlinear_average(self, node: Node) -> Coded:
        source = self._map(node, self._checked(node, 0, 1, 2))
        area = window_of(node, node.integers("kernel_shape", ()), source.codes.shape)
        if any(area.padding) or node.integer("channels_last", 0):
            raise node.refuse("average pool must be without padding, channels first", "another")
        made = self._average(node, source, area.kernel, area.stride)
        return self.staged(node, made, self.affine(node, 3, 4))

    def qlinear_leaky_relu(self, node: Node) -> Coded:
        source, out = self._checked(node, 0, 1, 2), self.affine(node, 3, 4)
        alpha = np.float32(node.number("alpha", 0.01))
        made = self._function(source, lambda x: np.where(x >= 0, x, x * alpha))
        return self.staged(node, made, out)

    def qlinear_concat(self, node: Node) -> Coded:
        out = self.affine(node, 0, 1)
        places = range(2, len(node.inputs), 3)
        parts = [self._checked(node, i, i + 1, i + 2) for i in places]
        parts = [
            self.requantized(node, x, out, f"{node.outputs[0]}.{i}") for i, x in enumerate(parts)
        ]
        return self._joined_channels(node, parts)


def _chain(made: Awaiting) -> Chain:
    return Chain(view=made.view, total=made.total, shift=made.shift)


def read_onnxruntime(graph: Graph, form: IntFormat | None) -> Imported:
    """The program of a QDQ or QOperator network; `form` says nothing: the file has it all."""
    walk = Runtime(graph=graph)
    walk.begin()
    walk.end(walk.run())
    if walk.start is None:
        raise InputError("Input must be quantized, not floating point")
    return imported(
        "onnxruntime", walk.emitter.layers, walk.start, walk.origins, "even", walk.dropped,
        scaling=walk.scaling,
    )  # fmt: skip
