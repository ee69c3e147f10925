"""Quantizers of QONNX as output stages, and what joins values before them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.layers import Skip
from ...spec.requant import Requant
from ..addition import exact_addition
from ..imported import Encoder, Quantization, Scaling
from ..onnx.emit import Codes, Stage
from ..onnx.graph import Array, Node
from ..onnx.layout import View
from ..onnx.result import Origins
from ..onnx.walk import Placed, Walk
from ..onnx.windows import Window
from ..stages import requant_of, thresholds_of
from .inputs import Floats, Raw, quant_encoder, threshold_encoder
from .plane import Plane
from .rationals import Line, Numbers, exact, steps
from .rounding import Boundary, Quantizer, bipolar, trunc
from .truncation import trunc_step, value_bounds
from .values import Deferred, Reals, integer_zero, is_identity, joined, settled, unpooled
from .weights import Quantized, as_quantized, quantizer_of

MOST_BITS = 8
"""Widest activation."""


@dataclass(kw_only=True, eq=False)
class Quantizing(Walk[Placed]):
    """The quantizers, and the helpers of all other operators."""

    quantized: dict[str, Quantized] = field(default_factory=dict)
    origins: Origins = field(default_factory=Origins)
    start: Codes | None = None
    encoder: Encoder | None = None
    scaling: Scaling | None = None

    # -- quantizers ------------------------------------------------------------------------------

    def quant(self, node: Node) -> Reals:
        """Quant of activations."""
        scale, zero, bits = (
            self.needed(node, i + 1, x) for i, x in enumerate(("scale", "zero point", "bit width"))
        )
        quantizer, mode = quantizer_of(node, bits, MOST_BITS)
        self._check_scale(node, scale)
        source = self.value(node)
        if isinstance(source, Raw):
            spread = source.spread(scale, node), source.spread(zero, node)
            encoder = quant_encoder(source, quantizer, mode, *spread)
        else:
            encoder = None
        return self._quantized(node, quantizer, source, scale, zero, encoder)

    def bipolar_quant(self, node: Node) -> Reals:
        """BipolarQuant of activations."""
        scale, zero = self.needed(node, 1, "scale"), np.zeros(1, np.float32)
        self._check_scale(node, scale)
        source = self.value(node)
        one = np.ones(1, np.float32)
        encoder = None
        if isinstance(source, Raw):
            encoder = quant_encoder(source, bipolar(), "ROUND", one, zero)
        return self._quantized(node, bipolar(), source, scale, zero, encoder)

    def trunc(self, node: Node) -> Reals:
        """Trunc: an integer rounded half to even, then divided by a power of two and rounded."""
        new = len([x for x in node.inputs if x]) == 6
        names = ["scale", "zero point", "input bits", "output bits"]
        if new:
            names.insert(3, "scale of the output")
        given = [self.needed(node, i + 1, name) for i, name in enumerate(names)]
        if any(x.size != 1 for x in given):
            raise node.refuse("parameters must be one number each", "several")
        numbers = [float(x.reshape(-1)[0]) for x in given]
        self._check_scale(node, given[0])
        step, out = trunc_step(node, numbers, new)
        source = self.real(node)
        mode = node.text("rounding_mode", "FLOOR").upper()
        if new:
            signed, narrow = node.integer("signed", 1), node.integer("narrow", 0)
            bits = int(numbers[4])
            lowest = -(1 << (bits - 1)) + narrow if signed else 0
            highest = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - narrow
        else:
            ends = value_bounds(source)
            each = Fraction(numbers[0]) * step
            lowest, highest = int(min(ends) / each) - 1, int(max(ends) / each) + 1
            lowest = 0 if min(ends) >= 0 else lowest
        if not highest - lowest < 1 << MOST_BITS:
            raise node.refuse(f"codes must fit {MOST_BITS} bits", f"{lowest}..{highest}")
        quantizer = trunc(mode, lowest, highest, step)
        inner = exact(given[0]) * source.channels, exact(given[1]) * source.channels
        zero = inner[1][0] / (step if new else 1)
        outs = (Fraction(out),) * source.channels, (zero,) * source.channels
        return self._staged(node, quantizer, source, inner, *outs)

    def multi_threshold(self, node: Node) -> Reals:
        """MultiThreshold: counts thresholds that a value reaches."""
        given = np.sort(self.needed(node, 1, "thresholds"), axis=-1)
        source = self.value(node)
        if given.ndim != 2 or not 1 <= given.shape[1] < 1 << MOST_BITS:
            raise node.refuse("thresholds must be (channels, 1..255)", f"{given.shape}")
        axis = self._channel_axis(node, source.view)
        shape = [1] * source.view.index.ndim
        shape[axis] = len(given)
        count = given.shape[1]
        scale, bias = node.number("out_scale", 1.0), node.number("out_bias", 0.0)
        line = Fraction(scale), Fraction(bias)
        if isinstance(source, Raw):
            each = [source.spread(given[:, i].reshape(shape), node) for i in range(count)]
            thresholds = np.stack(np.broadcast_arrays(*each), axis=1)
            quantizer = Quantizer(lowest=0, highest=count, boundary=bipolar().boundary)
            return self._input(node, quantizer, source, line, threshold_encoder(source, thresholds))
        columns = [self._numbers(node, source, given[:, i].reshape(shape)) for i in range(count)]
        quantizers = [_counting([x[c] for x in columns]) for c in range(source.view.shape[0])]
        one, none = (Fraction(1),) * len(quantizers), (Fraction(0),) * len(quantizers)
        outs = (line[0],) * len(quantizers), (-line[1] / line[0],) * len(quantizers)
        return self._staged(node, quantizers, self.real(node), (one, none), *outs)

    def _quantized(
        self, node: Node, quantizer: Quantizer, source: Placed, scale: Floats, zero: Floats,
        encoder: Encoder | None,
    ) -> Reals:  # fmt: skip
        if isinstance(source, Raw):
            assert encoder is not None
            if scale.size != 1 or zero.size != 1:
                raise node.refuse("scale of the input must be one number", f"{scale.size}")
            step = exact(scale)[0]
            line = step, -exact(zero)[0] * step
            return self._input(node, quantizer, source, line, encoder)
        own = self._numbers(node, source, scale), self._numbers(node, source, zero)
        return self._staged(node, quantizer, self.real(node), own, *own)

    def _input(
        self, node: Node, quantizer: Quantizer, source: Raw, line: tuple[Fraction, Fraction],
        encoder: Encoder,
    ) -> Reals:  # fmt: skip
        """The first quantizer: its codes are the program's input."""
        form = IntFormat.holding(0, quantizer.highest - quantizer.lowest)
        codes = Codes(name="input", shape=source.view.shape, format=form)
        if self.start is not None:
            same = self.encoder is not None and self.encoder.text == encoder.text
            if not same or "constants" in encoder.text:
                raise node.refuse("input must be quantized in one way", "in several")
        self.start, self.encoder = codes, encoder
        origin = View(shape=codes.shape, index=source.origin)
        form = _file_format(quantizer)
        zero = round(-line[1] / line[0])
        known = Quantization(format=form, scale=float(line[0]), zero_point=zero)
        if not self.origins.found:
            self.origins.say(codes, node.outputs[0], origin, known, quantizer.lowest)
        scale = (line[0],) * codes.channels
        offset = (line[1] + line[0] * quantizer.lowest,) * codes.channels
        return Reals(view=source.view, codes=codes, line=Line.of(scale, offset))

    def _staged(
        self, node: Node, quantizer: Quantizer | Sequence[Quantizer], source: Reals,
        inner: tuple[Numbers, Numbers], scale: Numbers, zero: Numbers,
    ) -> Reals:  # fmt: skip
        """A quantizer as the stage of the sums before it.

        inner: scale and zero point that it divides by and adds. scale, zero: those of its codes.
        """
        label = node.outputs[0]
        one = quantizer if isinstance(quantizer, Quantizer) else quantizer[0]
        inside = f"{label}.unpooled" if source.pool is not None else label
        codes = self._addition(one, source, inner, inside) if source.other is not None else None
        if codes is None:
            source = joined(source, self.emitter, f"{label}.sum")
            total = source.summed(node.where)
            found = steps(source.line, quantizer, *inner, total.low, total.high)
            if source.codes is not None and is_identity(found, source.codes.format):
                codes = source.codes
            else:
                requant = requant_of(found)
                stage: Stage = thresholds_of(found, node.where) if requant is None else requant
                codes = self.emitter.finish(total, stage, inside)
        if source.pool is not None:
            area = source.pool.window
            codes = self.emitter.max_pool(codes, area.kernel, area.stride, area.padding, label)
        offset = tuple(s * (one.lowest - z) for s, z in zip(scale, zero, strict=True))
        view = source.view
        if len({*scale}) == 1 and len({*zero}) == 1 and zero[0].denominator == 1:
            known = Quantization(
                format=_file_format(one), scale=float(scale[0]), zero_point=int(zero[0])
            )
            self.origins.say(codes, label, view, known, one.lowest)
        return Reals(view=view, codes=codes, line=Line.of(scale, offset))

    def _addition(
        self, quantizer: Quantizer, source: Reals, inner: tuple[Numbers, Numbers], label: str
    ) -> Codes | None:
        """Two tensors quantized together, by one layer; None where no plane has their table."""
        assert source.other is not None
        second, b = source.other
        uniform = source.line.uniform and len({*inner[0]}) == len({*inner[1]}) == 1
        first = source.codes
        if first is None or not uniform or max(first.format.width, second.format.width) > MOST_BITS:
            return None
        table = Plane.of(source.line, b, quantizer, inner[0][0], inner[1][0])
        out = IntFormat.holding(0, quantizer.highest - quantizer.lowest)
        requant = exact_addition(table.codes, first.format, second.format, out)
        if requant is None:
            return None
        return self.emitter.finish(source.summed(label), requant, label, Skip(tensor=second.name))

    # -- what other operators need ---------------------------------------------------------------

    def real(self, node: Node, i: int = 0) -> Reals:
        """Input i of a node, quantized."""
        value = self.value(node, i)
        if not isinstance(value, Reals):
            raise node.refuse(
                "input of the graph must be quantized first (a Quant node, or --input-format for "
                "integer inputs)", "floating point",
            )  # fmt: skip
        if (value.view.index < 0).any() and node.op not in ("Conv",):
            raise node.refuse("Pad must stand before a convolution", f"before {node.op}")
        return value

    def multiplied(self, source: Reals, factor: Numbers, node: Node) -> Reals:
        """Values times constants."""
        if source.pool is not None and any(x < 0 for x in factor):
            source = unpooled(source, self.emitter, f"{node.outputs[0]}.in")
        if source.other is not None and len({*factor}) != 1:
            source = joined(source, self.emitter, f"{node.outputs[0]}.in")
        other = source.other
        if other is not None:
            other = (other[0], other[1] * factor[0])
        return replace(source, line=source.line.times(factor), other=other)

    def both(self, node: Node, first: Reals, second: Reals, sign: int) -> Reals:
        """The sum, or difference, of two tensors."""
        label = node.outputs[0]
        if first.view.index.shape != second.view.index.shape:
            raise node.refuse(
                "operands must have one shape",
                f"{first.view.index.shape} and {second.view.index.shape}",
            )
        second = self.multiplied(second, (Fraction(sign),) * second.channels, node)
        if (second.codes is None and first.codes is not None) or not second.line.uniform:
            first, second = second, first
        second = self._plain_map(settled(second, self.emitter, f"{label}.right"), label)
        if first.other is not None or first.pool is not None or first.line.limited:
            first = settled(first, self.emitter, f"{label}.left")
        if not first.view.is_whole:
            first = self._plain_map(settled(first, self.emitter, f"{label}.left"), label)
        if not second.line.uniform:
            raise node.refuse("one operand must have one scale", "one scale per channel")
        assert second.codes is not None
        line = first.line.plus(second.line.offset)
        return replace(first, line=line, other=(second.codes, second.line.scale[0]))

    def deferred(self, source: Reals, area: Window, node: Node) -> Reals:
        """A max pool over sums that have no stage yet."""
        shape = source.view.shape
        height = (shape[1] + area.padding[0] + area.padding[2] - area.kernel[0]) // area.stride[0]
        width = (shape[2] + area.padding[1] + area.padding[3] - area.kernel[1]) // area.stride[1]
        out = (shape[0], height + 1, width + 1)
        pool = Deferred(before=source, window=area, shape=out, label=node.outputs[0])
        return replace(source, pool=pool, view=self.pooled(source.view, out))

    def max_pool_of(self, source: Reals, area: Window, node: Node) -> Reals:
        """A max pool over codes."""
        assert source.codes is not None
        if source.line.falls:
            raise node.refuse("values must rise with their codes", "fall")
        codes = self.emitter.max_pool(
            source.codes, area.kernel, area.stride, area.padding, node.outputs[0]
        )
        return replace(source, codes=codes, view=self.pooled(source.view, codes.shape))

    def widened(self, value: Reals, out: IntFormat, label: str) -> Codes:
        """The same codes in a wider format."""
        assert value.codes is not None
        if value.codes.format == out:
            return value.codes
        stage = Requant(
            multiplier=np.ones(1, np.int64), bias=np.zeros(1, np.int64), shift=0, out=out
        )
        return self.emitter.finish(value.summed(label), stage, label)

    def _map(self, node: Node) -> Reals:
        """Input 0 as codes of a map, perhaps with a frame of padding."""
        source = settled(self.real(node), self.emitter, f"{node.outputs[0]}.in")
        if source.view.is_map or (node.op == "Conv" and source.view.framed() is not None):
            return source
        return self._plain_map(source, node.outputs[0])

    def _plain_map(self, source: Reals, label: str) -> Reals:
        """A tensor of codes whose map is the tensor itself."""
        assert source.codes is not None
        zero = integer_zero(source)
        codes = self.selected(source.codes, source.view, zero or 0, f"{label}.moved")
        if codes is source.codes:
            return source
        if not source.line.uniform or zero is None:
            raise InputError("elements that are moved must have one scale and a code of zero")
        numbers = (
            (source.line.scale[0],) * codes.channels,
            (source.line.offset[0],) * codes.channels,
        )
        view = View.whole(codes.shape, source.view.index.shape)
        return Reals(view=view, codes=codes, line=Line.of(*numbers))

    def _weights(self, node: Node, i: int) -> Quantized:
        """Input i as integers with scales."""
        values = self.needed(node, i, "weights")
        return self.quantized.get(node.inputs[i]) or as_quantized(node, values)

    def _channel_axis(self, node: Node, view: View) -> int:
        layout = node.text("data_layout", "") or {3: "NWC"}.get(view.index.ndim, "NC")
        return layout.index("C") if "C" in layout else 1

    def _check_scale(self, node: Node, scale: Floats) -> None:
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise node.refuse("scale must be above 0", "others")

    def _numbers(self, node: Node, source: Placed, constant: Array) -> Numbers:
        """A constant that broadcasts to the tensor's shape, as one number for each channel."""
        if constant.size == 1:
            return exact(constant) * source.view.shape[0]
        return exact(self.per_channel(node, source.view, constant))


def _counting(edges: list[Fraction]) -> Quantizer:
    """Counts the edges that a value reaches."""
    return Quantizer(
        lowest=0, highest=len(edges), boundary=lambda k: Boundary(at=edges[k - 1], inclusive=True)
    )


def _file_format(quantizer: Quantizer) -> IntFormat:
    return IntFormat.holding(quantizer.lowest, max(quantizer.highest, 1))
