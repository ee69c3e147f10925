"""What every dialect does with a graph: constants folded, layouts followed, nodes dispatched."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

import numpy as np

from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ...spec.host.text import one_line, shown
from ...spec.requant import Requant
from .emit import Codes, Emitter, convolution
from .folding import FOLDED, fold
from .graph import Array, Graph, Node
from .layout import LAYOUT, Map, View, apply, selection

_FAILURES = (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError)
_STANDARD = ("", "ai.onnx")

_AFTER = ("QuantizeLinear", "DequantizeLinear", "Identity", "Cast", "Flatten", "Reshape", "Squeeze")
"""Operators that may stand between a last softmax and the output."""

REFUSED = {
    "LSTM": "recurrent layers have state, which no program has",
    "GRU": "recurrent layers have state, which no program has",
    "RNN": "recurrent layers have state, which no program has",
    "DynamicQuantizeLinear": "scales must be constant, not computed from each input",
    "Softmax": "a softmax only where it is the last node",
}
"""Reasons, for operators that people meet."""


class Placed(ABC):
    """A tensor of the file that is not constant: where its elements lie in a map."""

    view: View

    @abstractmethod
    def viewed(self, view: View) -> "Placed":
        """The same elements, arranged as `view`."""


Value = TypeVar("Value", bound=Placed)


@dataclass(kw_only=True, eq=False)
class Walk(ABC, Generic[Value]):
    """Goes through the nodes of a graph; a dialect says what each operator gives."""

    graph: Graph
    emitter: Emitter = field(default_factory=Emitter)
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    handlers: ClassVar[Mapping[str, str]]
    """Operator to the name of the method (node) -> Value that reads it."""
    domains: ClassVar[tuple[str, ...]]
    """Domains whose operators are meant, beside ONNX's own."""
    final: ClassVar[tuple[str, ...]] = ("Softmax", "LogSoftmax", "Sigmoid", "ArgMax")
    """Operators that are left out where nothing that computes follows them."""
    _left_out: list[Node] = field(default_factory=list)

    def run(self) -> Value:
        """The graph's output."""
        self.constants.update(self.graph.constants)
        self._left_out = self._tail()
        for node in self.graph.nodes:
            try:
                self._step(node)
            except InputError as error:
                if str(error).startswith("Node "):
                    raise
                raise InputError(f"{node.where}: {error}") from error
            except _FAILURES as error:
                raise InputError(f"{node.where} must be consistent: {one_line(error)}") from error
        if self.graph.output not in self.values:
            raise InputError("Output of the graph must depend on its input, not be constant")
        return self.values[self.graph.output]

    def constant(self, name: str) -> Array | None:
        """The value of a tensor if it is constant."""
        return self.constants.get(name)

    def needed(self, node: Node, i: int, what: str) -> Array:
        """The constant that is input i of `node`."""
        name = node.optional(i)
        found = None if name is None else self.constants.get(name)
        if found is None:
            raise node.refuse(
                f"{what} must be constant", "missing" if name is None else shown(name)
            )
        return found

    def value(self, node: Node, i: int = 0) -> Value:
        """The tensor, not constant, that is input i of `node`."""
        name = node.optional(i)
        if name is None or name not in self.values:
            raise node.refuse(
                f"input {i} must be computed from the graph's input",
                "missing" if name is None else f"constant {shown(name)}",
            )
        return self.values[name]

    def per_channel(self, node: Node, view: View, values: Array) -> Array:
        """A constant that broadcasts to the tensor's shape, as one number for each channel (C,)."""
        if np.broadcast_shapes(values.shape, view.index.shape) != view.index.shape:
            raise node.refuse(f"constant must broadcast to {view.index.shape}", f"{values.shape}")
        channels = view.channels.reshape(-1)
        spread = np.broadcast_to(values, view.index.shape).reshape(-1)
        found = np.zeros(view.shape[0], values.dtype)
        found[channels] = spread
        if (channels < 0).any() or (found[channels] != spread).any():
            raise node.refuse("constant must be one number for each channel", "several")
        return found

    @staticmethod
    def pooled(view: View, shape: Map) -> View:
        """The map `shape` that a pool makes of a tensor seen as `view`."""
        rank = view.index.ndim
        return View.whole(shape, (1, *shape) if rank == 4 else (1, shape[0], shape[2]))

    def _step(self, node: Node) -> None:
        if not node.outputs or not node.outputs[0]:
            raise node.refuse("output must have a name", "none")
        if node.domain not in (*_STANDARD, *self.domains):
            raise node.refuse(f"domain must be one of {self._domain_list()}", shown(node.domain))
        inputs = [name for name in node.inputs if name]
        if node.op == "Shape" and inputs and inputs[0] in self.values:
            self.constants[node.outputs[0]] = self._shape(node, inputs[0])
            return
        if all(name in self.constants for name in inputs):
            self.constants[node.outputs[0]] = self._folded(node)
            return
        if node in self._left_out:
            for name in node.outputs:
                self.values[name] = self.value(node)
            return
        if node.op in self.handlers:
            made: Value = getattr(self, self.handlers[node.op])(node)
        elif node.op in LAYOUT:
            made = self.moved(node)
        else:
            raise self._unknown(node)
        self.values[node.outputs[0]] = made

    def _tail(self) -> list[Node]:
        """The nodes from a last softmax or the like on: they are left out, and it is said."""
        makers = {name: node for node in self.graph.nodes for name in node.outputs}
        found: list[Node] = []
        node = makers.get(self.graph.output)
        while node is not None and node.op in (*self.final, *_AFTER):
            found.append(node)
            node = makers.get(node.inputs[0]) if node.inputs else None
        firsts = [i for i, x in enumerate(found) if x.op in self.final]
        left = found[: firsts[-1] + 1] if firsts else []
        self.dropped += [f"{x.op} {x.name or x.outputs[0]}" for x in left if x.op in self.final]
        return left

    def _shape(self, node: Node, name: str) -> Array:
        sizes = np.asarray(self.values[name].view.index.shape, np.int64)
        start, end = node.integer("start", 0), node.attributes.get("end")
        return sizes[start:end]

    def _folded(self, node: Node) -> Array:
        made = self.folded(node)
        if made is None:
            made = fold(node, [self.constants[name] for name in node.inputs if name])
        if made is None:
            raise self._unknown(node)
        return made

    def folded(self, node: Node) -> Array | None:
        """The constant that an operator of the dialect makes of constants."""
        return None

    def moved(self, node: Node) -> Value:
        """The result of an operator that only moves elements."""
        source = self.value(node)
        if node.op == "Pad":
            self.check_padding(node, source)
        return source.viewed(apply(node, source.view, self.constants.get))  # type: ignore[return-value]

    def check_padding(self, node: Node, source: Value) -> None:
        """Refuse a Pad whose value is not real zero."""
        name = node.optional(2)
        value = self.constants.get(name) if name else np.zeros(1)
        if value is None or np.any(np.asarray(value) != 0):
            raise node.refuse("padding must be of zeros", "of another value")

    def selected(
        self, codes: Codes, view: View, zero: int, label: str, copied: bool = False
    ) -> Codes:
        """A tensor of the program whose map is the view: moved by a convolution where it must be.

        zero: the code that stands where the view has padding. copied: make a layer in any case.
        """
        if view.is_whole and not copied:
            return codes
        framed = view.framed()
        if framed is not None:
            eye = np.ones((codes.channels, 1, 1, 1), np.int64)
            total = convolution(
                codes, eye, padding=framed[1], groups=codes.channels, pad_code=zero, label=label
            )
            bias = np.zeros(codes.channels, np.int64)
        else:
            levels, stride, _ = selection(view)
            total = convolution(codes, levels, stride=stride, label=label)
            bias = np.where(levels.reshape(len(levels), -1).any(axis=1), 0, zero).astype(np.int64)
        return self.emitter.finish(total, same(codes, bias), label)

    def _domain_list(self) -> str:
        return ", ".join(repr(x) for x in ("", *self.domains))

    def _unknown(self, node: Node) -> InputError:
        known = ", ".join(sorted({*self.handlers, *LAYOUT, *FOLDED, "Shape"}))
        reason = f" ({REFUSED[node.op]})" if node.op in REFUSED else ""
        return node.refuse(f"operator must be one of {known}", f"{shown(node.op)[1:-1]}{reason}")


def same(codes: Codes, bias: Int64Array) -> Requant:
    """The stage that gives `sum + bias` in the format of `codes`."""
    ones = np.ones(len(bias), np.int64)
    return Requant(multiplier=ones, bias=bias, shift=0, out=codes.format)
