"""Dialect `deeploy`: integer ONNX as Deeploy's tests have it.

Codes and weights are integers (stored as floats); `RequantShift` is `(mul*x + add + div/2) >> log2
div`, saturated to `n_levels_out` codes, signed or not: the contract's requant itself, so program
codes are the file's codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ...spec.formats import Int64Array, IntFormat
from ...spec.host.text import shown
from ...spec.layers import Skip
from ...spec.program import INPUT
from ...spec.requant import MAX_SHIFT, Requant
from ..imported import Imported
from .emit import Codes, Sum, convolution, plain, window
from .graph import Array, Graph, Node
from .layout import Edges, View
from .result import Origins, imported, input_view, plain_integers
from .walk import Placed, Walk
from .windows import dilated, product_levels, product_view, window_of

INTEGER = IntFormat(width=56, signed=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Integers(Placed):
    """Integers of the file: codes of the program, or `total + bias` (+ skip's codes) over count.

    bias: (C,). count: what an average pool still has to divide by.
    """

    view: View
    codes: Codes | None = None
    total: Sum | None = None
    bias: Int64Array | None = None
    skip: Codes | None = None
    count: int = 1

    def viewed(self, view: View) -> "Integers":
        return replace(self, view=view)


@dataclass(kw_only=True, eq=False)
class Deeploy(Walk[Integers]):
    """Reads the operators of Deeploy's integer networks."""

    handlers: ClassVar[Mapping[str, str]] = {
        "Conv": "conv", "Gemm": "gemm", "MatMul": "matmul", "RequantShift": "requant_shift",
        "Add": "add", "MaxPool": "max_pool", "AveragePool": "average_pool", "Relu": "relu",
        "GlobalAveragePool": "global_average_pool", "Concat": "concat",
    }  # fmt: skip
    domains: ClassVar[tuple[str, ...]] = ("PACTOps", "deeploy")

    origins: Origins = field(default_factory=Origins)

    def begin(self, form: IntFormat) -> Codes:
        """The graph's input, as codes of a format."""
        fed = self.graph.input
        view = input_view(self.graph)
        codes = Codes(name=INPUT, shape=view.shape, format=form)
        self.values[fed.name] = Integers(view=view, codes=codes)
        self.origins.say(codes, fed.name, view, plain_integers(form))
        return codes

    def end(self, value: Integers) -> None:
        """The result: codes, or sums as they are."""
        codes, view = self._codes(value, self.graph.output), value.view
        if codes.name != self.emitter.last or not (view.is_whole or view.pixels()):
            codes = self.selected(codes, view, 0, self.graph.output, copied=True)
            view = View.whole(codes.shape, view.index.shape)
        self.origins.say(codes, self.graph.output, view, plain_integers(codes.format))

    def conv(self, node: Node) -> Integers:
        levels = dilated(node, self._integers(node, 1, "weights"))
        kernel = tuple(self.needed(node, 1, "weights").shape[2:])
        source, codes, edges = self._map(node)
        area = window_of(node, kernel, codes.shape)
        total = convolution(
            codes, levels, stride=area.stride, padding=added(area.padding, edges),
            groups=node.integer("group", 1), label=node.where,
        )  # fmt: skip
        rank = (*source.view.index.shape[:1], total.channels, *total.shape[1:][-len(kernel) :])
        view = View.whole(total.shape, rank)
        return Integers(view=view, total=total, bias=self._bias(node, 2, total.channels))

    def gemm(self, node: Node) -> Integers:
        for key, wanted in (("alpha", 1), ("beta", 1), ("transA", 0)):
            if node.number(key, wanted) != wanted:
                raise node.refuse(f"{key} must be {wanted}", shown(node.attributes[key]))
        levels = self._integers(node, 1, "weights")
        return self._product(node, levels.T if node.integer("transB", 0) else levels, 2)

    def matmul(self, node: Node) -> Integers:
        return self._product(node, self._integers(node, 1, "weights"), None)

    def requant_shift(self, node: Node) -> Integers:
        source = self.value(node)
        total, bias = self._total(source, node)
        mul = self._per_channel(node, source, self._integers(node, 1, "mul"))
        add = self._per_channel(node, source, self._integers(node, 2, "add"))
        div = node.number("div", 1) * source.count
        shift = int(div).bit_length() - 1
        if div != 1 << max(shift, 0) or not 0 <= shift <= MAX_SHIFT:
            raise node.refuse(f"div must be a power of two up to 2^{MAX_SHIFT}", shown(div))
        factor = 0
        if source.skip is not None:
            if len(set(mul.tolist())) != 1:
                raise node.refuse("mul of an addition must be one number", "one per channel")
            factor = int(mul[0])
        stage = Requant(
            multiplier=mul, bias=mul * bias + add * source.count, shift=shift,
            out=self._format(node), skip_multiplier=factor,
        )  # fmt: skip
        skip = None if source.skip is None else Skip(tensor=source.skip.name)
        codes = self.emitter.finish(total, stage, node.outputs[0], skip)
        self.origins.say(codes, node.outputs[0], source.view, plain_integers(codes.format))
        return Integers(view=source.view, codes=codes)

    def add(self, node: Node) -> Integers:
        constants = [i for i in (0, 1) if self.constants.get(node.inputs[i]) is not None]
        if constants:
            source = self.value(node, 1 - constants[0])
            total, bias = self._total(source, node)
            more = self._per_channel(node, source, self._integers(node, constants[0], "operand"))
            return replace(source, codes=None, total=total, bias=bias + more * source.count)
        first, second = self.value(node, 0), self.value(node, 1)
        if first.total is None and second.total is not None:
            first, second = second, first
        if first.view.index.shape != second.view.index.shape:
            raise node.refuse(
                "operands must have one shape",
                f"{first.view.index.shape} and {second.view.index.shape}",
            )
        right = self._codes(second, f"{node.outputs[0]}.right")
        right = self.selected(right, second.view, 0, f"{node.outputs[0]}.right")
        if first.total is None or first.skip is not None or not first.view.is_map:
            left = self._codes(first, f"{node.outputs[0]}.left")
            left = self.selected(left, first.view, 0, f"{node.outputs[0]}.left")
            first = Integers(view=View.whole(left.shape, first.view.index.shape), codes=left)
        total, bias = self._total(first, node)
        return Integers(view=first.view, total=total, bias=bias, skip=right, count=first.count)

    def max_pool(self, node: Node) -> Integers:
        source, codes, edges = self._map(node)
        kernel = node.integers("kernel_shape", ())
        area = window_of(node, kernel, codes.shape)
        if any(edges) or any(x != 1 for x in node.integers("dilations", (1,))):
            raise node.refuse("pool must be without Pad before it and dilation", "with them")
        made = self.emitter.max_pool(codes, area.kernel, area.stride, area.padding, node.outputs[0])
        return Integers(view=pooled(source.view, made.shape), codes=made)

    def average_pool(self, node: Node) -> Integers:
        source, codes, edges = self._map(node)
        area = window_of(node, node.integers("kernel_shape", ()), codes.shape)
        if any((*area.padding, *edges)):
            raise node.refuse("average pool must be without padding", f"{area.padding}")
        return self._averaged(source, codes, area.kernel, area.stride, node)

    def global_average_pool(self, node: Node) -> Integers:
        source, codes, _ = self._map(node)
        return self._averaged(source, codes, codes.shape[1:], (1, 1), node)

    def relu(self, node: Node) -> Integers:
        source = self.value(node)
        codes = self._codes(source, f"{node.outputs[0]}.in")
        if codes.format.signed:
            total = window(codes, (1, 1), (1, 1), node.where)
            out = IntFormat(width=codes.format.width - 1)
            zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
            stage = Requant(multiplier=one, bias=zero, shift=0, out=out)
            codes = self.emitter.finish(total, stage, node.outputs[0])
        return Integers(view=source.view, codes=codes)

    def concat(self, node: Node) -> Integers:
        sources = [self.value(node, i) for i in range(len(node.inputs))]
        label = node.outputs[0]
        parts = [
            self.selected(self._codes(x, f"{label}.{i}"), x.view, 0, f"{label}.{i}")
            for i, x in enumerate(sources)
        ]
        rank = sources[0].view.index.ndim
        if node.integer("axis", 1) % rank != 1 or (
            rank < 3 and any(x.shape[1:] != (1, 1) for x in parts)
        ):
            raise node.refuse("axis must be that of the channels", f"{node.integer('axis', 1)}")
        if len({x.format for x in parts}) > 1:
            raise node.refuse("operands must have one range of codes", "several")
        made = self.emitter.concat(parts, label)
        return Integers(view=pooled(sources[0].view, made.shape), codes=made)

    # -- parts -----------------------------------------------------------------------------------

    def _product(self, node: Node, levels: Int64Array, bias: int | None) -> Integers:
        source = self.value(node)
        codes = self._codes(source, f"{node.outputs[0]}.in")
        kernel, logical = product_levels(node, source.view, levels)
        total = convolution(codes, kernel, label=node.where)
        added = self._bias(node, bias, total.channels)
        return Integers(view=product_view(total.shape, logical), total=total, bias=added)

    def _averaged(
        self,
        source: Integers,
        codes: Codes,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        node: Node,
    ) -> Integers:
        total = window(codes, kernel, stride, node.where)
        return Integers(
            view=pooled(source.view, total.shape), total=total,
            bias=np.zeros(total.channels, np.int64), count=kernel[0] * kernel[1],
        )  # fmt: skip

    def _map(self, node: Node) -> tuple[Integers, Codes, Edges]:
        """Input 0 as a map of codes, and the padding that a Pad node put around it."""
        source = self.value(node)
        codes = self._codes(source, f"{node.outputs[0]}.in")
        framed = source.view.framed()
        if framed is not None:
            return source, codes, framed[1]
        codes = self.selected(codes, source.view, 0, f"{node.outputs[0]}.in")
        return (
            replace(source, view=View.whole(codes.shape, source.view.index.shape)),
            codes,
            (0,) * 4,
        )

    def _codes(self, value: Integers, label: str) -> Codes:
        """The value as a tensor of the program: sums without a RequantShift stay sums."""
        if value.codes is not None:
            return value.codes
        assert value.total is not None
        assert value.bias is not None
        if value.count != 1:
            raise ValueError("an average must be followed by a RequantShift")
        stage = plain(value.total, value.bias)
        if value.skip is None:
            return self.emitter.finish(value.total, stage, label)
        other = value.skip.format
        low, high = int(value.total.low.min()), int(value.total.high.max())
        out = IntFormat.holding(low + other.min, high + other.max)
        stage = replace(stage, out=out, skip_multiplier=1)
        return self.emitter.finish(value.total, stage, label, Skip(tensor=value.skip.name))

    def _total(self, value: Integers, node: Node) -> tuple[Sum, Int64Array]:
        if value.total is not None and value.bias is not None:
            return value.total, value.bias
        assert value.codes is not None
        total = window(value.codes, (1, 1), (1, 1), node.where)
        return total, np.zeros(total.channels, np.int64)

    def _integers(self, node: Node, i: int, what: str) -> Int64Array:
        return whole(node, self.needed(node, i, what), what)

    def _bias(self, node: Node, i: int | None, channels: int) -> Int64Array:
        if i is None or node.optional(i) is None:
            return np.zeros(channels, np.int64)
        values = self._integers(node, i, "bias").reshape(-1)
        return np.broadcast_to(values, (channels,)).astype(np.int64)

    def _per_channel(self, node: Node, source: Integers, values: Int64Array) -> Int64Array:
        channels = source.view.shape[0] if source.total is None else source.total.channels
        if values.size not in (1, channels):
            raise node.refuse(f"operand must have 1 or {channels} numbers", f"{values.size}")
        return np.broadcast_to(values.reshape(-1), (channels,)).astype(np.int64)

    def _format(self, node: Node) -> IntFormat:
        key = "n_levels_out" if "n_levels_out" in node.attributes else "n_levels"
        count = int(node.number(key, 256))
        width = count.bit_length() - 1
        if count != 1 << max(width, 0) or not 1 <= width <= 31:
            raise node.refuse(f"{key} must be a power of two in 2..2^31", f"{count}")
        return IntFormat(width=width, signed=bool(node.number("signed", 0)))


def read_deeploy(graph: Graph, form: IntFormat | None) -> Imported:
    """The program of an integer network; form: of the input's codes (the file has none), u8."""
    walk = Deeploy(graph=graph)
    start = walk.begin(form or IntFormat(width=8))
    walk.end(walk.run())
    return imported(
        "deeploy", walk.emitter.layers, start, walk.origins, "even", walk.dropped
    )  # fmt: skip


def whole(node: Node, values: Array, what: str) -> Int64Array:
    """Constants as integers; refuses numbers with a fraction."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise node.refuse(
                f"{what} must be integers (float networks: `adqhw calibrate` or `adqhw.quantize`)",
                "numbers with a fraction",
            )
    elif values.dtype.kind not in "iub":
        raise node.refuse(f"{what} must be integers", f"{values.dtype}")
    if values.size and not INTEGER.contains(int(values.min()), int(values.max())):
        raise node.refuse(f"{what} must fit {INTEGER.name}", f"{values.min()}..{values.max()}")
    return values.astype(np.int64)


def added(padding: Edges, edges: Edges) -> Edges:
    """The padding of a convolution together with that of a Pad node before it."""
    a, b, c, d = (x + y for x, y in zip(padding, edges, strict=True))
    return a, b, c, d


def pooled(view: View, shape: tuple[int, int, int]) -> View:
    """The view of a map that a windowed layer made of `view`'s, of the same rank."""
    rank = view.index.ndim
    return View.whole(shape, (1, *shape) if rank == 4 else (1, shape[0], *shape[3 - rank + 1 :]))
