"""From fused operations to the nodes of a network: which codes each tensor has, and who reads them.

The rules are written in docs/frontend.md. A ReLU that convolutions alone read is a low-bit code;
every other tensor is a stream of 8 bits, which convolutions read through an activation of their
own. Concatenated streams have one step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.layers import LayerKind, Skip
from ...spec.networks import S8, S32, U8, Curve, Node, Nodes
from ...spec.program import INPUT
from ..networks.curves import PRELU, falls
from .fuse import negative
from .operations import RELU, Graph, Op, OpKind

STREAM_WIDTH = 8
READ_CODES = (OpKind.SUMS, OpKind.NORM, OpKind.AVERAGE)
"""Kinds that read the codes of the input with their mean and deviation."""


def lower(graph: Graph, act_width: int, input_map: tuple[int, int, int]) -> Nodes:
    """The nodes of a graph whose operations are fused; input_map: (C, H, W)."""
    return _Lowering(graph=graph, act_width=act_width, input_map=input_map).nodes()


@dataclass(kw_only=True)
class _Lowering:
    graph: Graph
    act_width: int
    input_map: tuple[int, int, int]
    made: dict[str, Node] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    """Leader of the tensors that share a step, by tensor."""

    def nodes(self) -> Nodes:
        self._enter_input()
        for op in self.graph.ordered():
            for node in self._lower(op):
                self.made[node.name] = node
        return tuple(self._shared())

    # -- what the operations are -------------------------------------------------------------------

    def _enter_input(self) -> None:
        """The input as a stream of its own where something else than sums reads its codes."""
        graph = self.graph
        readers = [
            op
            for op in graph.ops.values()
            if (INPUT in op.sources and op.kind not in READ_CODES) or op.skip == INPUT
        ]
        if not readers:
            return
        channels, *size = self.input_map
        entered = Op(
            name=self._new("input.read"), kind=OpKind.ENTER, sources=[INPUT], ins=channels,
            channels=channels, size=(size[0], size[1]), where=readers[0].where,
        )  # fmt: skip
        for op in readers:
            if op.kind not in READ_CODES:
                op.sources = [entered.name if x == INPUT else x for x in op.sources]
            if op.skip == INPUT:
                op.skip = entered.name
        graph.ops[entered.name] = entered

    def _new(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self.graph.ops or name in self.made:
            name, number = f"{wanted}{number}", number + 1
        return name

    def _ends(self, op: Op) -> bool:
        """Whether it makes the result as plain sums."""
        if op.name != self.graph.result or self.graph.readers(op.name):
            return False
        if op.kind is OpKind.SUMS:
            return op.plain and op.norm is None and INPUT not in op.sources
        return op.kind is OpKind.AVERAGE and op.plain

    def _entering(self, name: str) -> bool:
        """Whether no weights have read the input yet: it and its readers have 8 bits."""
        if name == INPUT:
            return True
        op = self.graph.ops[name]
        kinds = (OpKind.ENTER, OpKind.NORM, OpKind.AVERAGE, OpKind.MAX, OpKind.UPSAMPLE)
        return op.kind in kinds and self._entering(op.sources[0])

    def _low(self, name: str) -> bool:
        """Whether thresholds make the tensor's codes: a ReLU that only sums read."""
        op = self.graph.ops[name]
        if self.act_width >= STREAM_WIDTH or name == self.graph.result:
            return False
        if op.kind is OpKind.MAX:
            return op.sources[0] != INPUT and self._low(op.sources[0])
        fits = op.kind is OpKind.SUMS and op.rectified and op.skip is None
        return fits and self._only_sums_read(name)

    def _only_sums_read(self, name: str) -> bool:
        if name == self.graph.result:
            return False
        return all(
            self._only_sums_read(op.name)
            if op.kind is OpKind.MAX
            else op.kind is OpKind.SUMS and op.skip != name
            for op in self.graph.readers(name)
        )

    def _format(self, name: str) -> IntFormat:
        """Format of a stream."""
        return S8 if negative(self.graph, name) else U8

    # -- nodes -------------------------------------------------------------------------------------

    def _lower(self, op: Op) -> Iterator[Node]:
        match op.kind:
            case OpKind.SUMS:
                yield from self._read(op)
                yield self._sums(op)
            case OpKind.MAX:
                stream = None if self._low(op.name) else self._format(op.name)
                yield self._node(op, LayerKind.MAX_POOL, stream=stream)
            case OpKind.UPSAMPLE:
                yield self._node(op, LayerKind.UPSAMPLE, stream=self._format(op.name))
            case OpKind.CONCAT:
                yield from self._concat(op)
            case OpKind.CURVE if op.function == RELU:
                yield self._relu(op)
            case OpKind.CURVE:
                yield from self._table(op)
            case OpKind.AVERAGE:
                stream = S32 if self._ends(op) else self._format(op.name)
                yield self._node(op, LayerKind.AVG_POOL, stream=stream)
            case OpKind.ADD:
                skip = Skip(tensor=op.sources[1])
                yield self._node(op, LayerKind.AVG_POOL, stream=self._format(op.name), skip=skip)
            case OpKind.NORM:  # the batch norm itself stands under the module's name
                stream = self._format(op.name)
                yield self._node(op, LayerKind.AVG_POOL, stream=stream, path=f"{op.path}.stage")
            case OpKind.ENTER:
                yield self._node(op, LayerKind.AVG_POOL, stream=self._format(op.name))
            case _:
                assert_never(op.kind)

    def _node(self, op: Op, kind: LayerKind, **more: Any) -> Node:
        settings: dict[str, Any] = {
            "name": op.name, "kind": kind, "source": op.sources[0], "ins": op.ins,
            "channels": op.channels, "size": op.size, "kernel": op.kernel, "stride": op.stride,
            "padding": op.padding, "norm": op.norm, "clip": op.clip, "dropout": op.dropout,
            "eps": op.eps, "momentum": op.momentum,
        }  # fmt: skip
        return Node(**settings | more)

    def _sums(self, op: Op) -> Node:
        ends = self._ends(op)
        stream = S32 if ends else None if self._low(op.name) else self._format(op.name)
        source = op.sources[0]
        flat_map = op.flat and op.kernel == (1, 1)
        return self._node(
            op, LayerKind.LINEAR if flat_map else LayerKind.CONV,
            source=source if ends else self._read_name(source), stream=stream,
            coded=not ends and not self._entering(source), bias=op.bias, flat=op.flat,
            groups=op.groups, dilation=op.dilation,
            skip=None if op.skip is None else Skip(tensor=op.skip),
            path=None if op.path == op.name else op.path,
        )  # fmt: skip

    def _read_name(self, source: str) -> str:
        """The tensor that sums read in place of ``source``."""
        direct = self.act_width >= STREAM_WIDTH or self._entering(source) or self._low(source)
        if direct:
            return source
        op = self.graph.ops[source]
        if op.kind is OpKind.CURVE and op.function == RELU and self._only_sums_read(source):
            return source  # a ReLU on a stream is an activation of its own
        return f"{source}.read"

    def _read(self, op: Op) -> Iterator[Node]:
        """The activation through which sums read a stream, once for all that read it."""
        source = op.sources[0]
        name = source if self._ends(op) else self._read_name(source)
        if name == source or name in self.made:
            return
        made = self.graph.ops[source]
        signed = negative(self.graph, source)
        if signed and self.act_width < 2:
            raise InputError(
                f"{made.where}: act_width must be at least 2 where convolutions read values of "
                f"both signs, not {self.act_width}"
            )
        yield Node(
            name=name, kind=LayerKind.AVG_POOL if signed else LayerKind.THRESHOLD, source=source,
            ins=made.channels, channels=made.channels, size=made.size,
            stream=IntFormat(width=self.act_width, signed=True) if signed else None,
        )  # fmt: skip

    def _relu(self, op: Op) -> Node:
        """A ReLU that nothing in front of it could take: on a stream that others read too."""
        if self.act_width < STREAM_WIDTH and self._only_sums_read(op.name):
            return self._node(op, LayerKind.THRESHOLD, stream=None)
        return self._node(op, LayerKind.AVG_POOL, stream=U8)

    def _table(self, op: Op) -> Iterator[Node]:
        """A function by the thresholds that its rises and its falls have."""
        parts = {"function": op.function, "numbers": op.numbers}
        rising, falling = f"{op.name}.rise", f"{op.name}.fall"
        learned = op.function == PRELU
        rise = Curve(part="rise", **parts)  # type: ignore[arg-type]
        plain = {"clip": None, "norm": None}
        yield self._node(
            op, LayerKind.THRESHOLD, name=rising, curve=rise, path=op.path if learned else None,
            **plain,
        )  # fmt: skip
        both = falls(rise)
        if both:
            fall = replace(rise, part="fall")
            yield self._node(op, LayerKind.THRESHOLD, name=falling, curve=fall, **plain)
        yield self._node(
            op, LayerKind.AVG_POOL, source=rising, ins=op.channels, curve=replace(rise, part="sum"),
            skip=Skip(tensor=falling) if both else None, stream=self._format(op.name),
            path=f"{op.path}.sum" if learned else None, **plain,
        )  # fmt: skip

    # -- streams of one step -----------------------------------------------------------------------

    def _concat(self, op: Op) -> Iterator[Node]:
        """Its inputs with one step; those of another format get it by a requantization."""
        out = self._format(op.name)
        sources = []
        for number, source in enumerate(op.sources):
            if self._format(source) == out:
                sources.append(source)
                continue
            made = self.graph.ops[source]
            node = Node(
                name=self._new(f"{op.name}.part{number}"), kind=LayerKind.AVG_POOL, source=source,
                ins=made.channels, channels=made.channels, size=made.size, stream=out,
            )  # fmt: skip
            yield node
            sources.append(node.name)
        node = self._node(
            op, LayerKind.CONCAT, source=sources[0], others=tuple(sources[1:]), stream=out
        )
        yield node

    def _roots(self, name: str) -> list[str]:
        """Nodes whose quantizers make the codes of a tensor."""
        node = self.made[name]
        if node.kind in (LayerKind.MAX_POOL, LayerKind.UPSAMPLE, LayerKind.CONCAT):
            return [root for source in node.sources for root in self._roots(source)]
        return [name]

    def _leader(self, name: str) -> str:
        while self.groups.get(name, name) != name:
            name = self.groups[name]
        return name

    def _shared(self) -> Iterator[Node]:
        """All nodes; those of a group that the first one leads have its quantizer."""
        order = list(self.made)
        for node in self.made.values():
            if node.kind is LayerKind.CONCAT:
                leaders = {self._leader(root) for root in self._roots(node.name)}
                first = min(leaders, key=order.index)
                self.groups.update(dict.fromkeys(leaders, first))
        for name, node in self.made.items():
            leader = self._leader(name)
            yield node if leader == name else replace(node, step=leader)
