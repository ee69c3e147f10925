"""Batch norms, additions and ReLUs into the operations whose output stage does them."""

from typing import assert_never

from ..networks.curves import POSITIVE
from .operations import PASSING, RELU, Graph, Op, OpKind

STAGED = (OpKind.SUMS, OpKind.NORM, OpKind.ADD, OpKind.AVERAGE, OpKind.ENTER)
"""Kinds with an output stage: a quantizer of real values."""


def fuse(graph: Graph) -> None:
    """Rewrite the graph in place, until each operation is one unit of a network."""
    for op in list(graph.ops.values()):
        if op.name not in graph.ops:
            continue
        match op.kind:
            case OpKind.NORM:
                _norm(graph, op)
            case OpKind.ADD:
                _addition(graph, op)
            case OpKind.CURVE:
                _curve(graph, op)
            case OpKind.SUMS | OpKind.AVERAGE | OpKind.ENTER | OpKind.MAX:
                pass
            case OpKind.CONCAT | OpKind.UPSAMPLE:
                pass
            case _:
                assert_never(op.kind)


def _norm(graph: Graph, op: Op) -> None:
    host = graph.ops.get(op.sources[0])
    if host is None or host.kind is not OpKind.SUMS or not graph.read_once(host.name, op):
        return
    if host.plain and host.norm is None:
        host.norm, host.eps, host.momentum = op.norm, op.eps, op.momentum
        graph.drop(op, host.name)


def _addition(graph: Graph, op: Op) -> None:
    """The sums with the longest way from the input take the other operand as residual."""
    hosts = [
        graph.ops[name]
        for name in op.sources
        if name in graph.ops
        and graph.ops[name].kind is OpKind.SUMS
        and graph.ops[name].plain
        and graph.read_once(name, op)
    ]
    if not hosts:
        return
    host = max(hosts, key=lambda x: _depth(graph, x.name))
    first, second = op.sources
    host.skip = second if first == host.name else first
    graph.drop(op, host.name)


def _depth(graph: Graph, name: str) -> int:
    """Operations on the longest way from the input."""
    depths: dict[str, int] = {}
    for op in graph.ops.values():  # in the order of execution
        depths[op.name] = 1 + max(depths.get(source, 0) for source in op.reads)
    return depths.get(name, 0)


def _curve(graph: Graph, op: Op) -> None:
    source = op.sources[0]
    if op.function == RELU:
        if negative(graph, source) or op.clip is not None:
            if not _takes(graph, source, op):
                return
            _rectify(graph, source, op.clip)
        graph.drop(op, source)
    elif op.function == "hardtanh" and op.clip is not None:
        host = graph.ops.get(source)
        free = host is not None and host.kind in STAGED and not host.rectified
        if host is not None and free and host.clip is None and graph.read_once(source, op):
            host.clip = op.clip
            graph.drop(op, source)


def _takes(graph: Graph, name: str, reader: Op) -> bool:
    """Whether all operations behind the tensor can take a ReLU that follows it."""
    op = graph.ops.get(name)
    if op is None or not graph.read_once(name, reader):
        return op is not None and not negative(graph, name) and reader.clip is None
    if op.kind in PASSING:
        return all(_takes(graph, source, op) for source in op.sources)
    if op.kind is OpKind.CURVE:
        return op.function == RELU
    return op.kind in STAGED


def _rectify(graph: Graph, name: str, clip: float | None) -> None:
    op = graph.ops[name]
    if op.kind in PASSING:
        for source in op.sources:
            _rectify(graph, source, clip)
        return
    if op.kind in STAGED or op.kind is OpKind.CURVE:
        op.rectified = op.kind is not OpKind.CURVE
        limits = [limit for limit in (op.clip, clip) if limit is not None]
        op.clip = min(limits, default=None)


def negative(graph: Graph, name: str) -> bool:
    """Whether values of the tensor may be negative."""
    op = graph.ops.get(name)
    if op is None:
        return True  # the input
    if op.rectified:
        return False
    match op.kind:
        case OpKind.SUMS | OpKind.NORM | OpKind.ENTER:
            return True
        case OpKind.CURVE:
            return op.function != RELU and op.function not in POSITIVE
        case OpKind.MAX | OpKind.AVERAGE | OpKind.ADD | OpKind.CONCAT | OpKind.UPSAMPLE:
            return any(negative(graph, source) for source in op.sources)
        case _:
            assert_never(op.kind)
