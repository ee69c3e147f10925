"""An ONNX graph as plain data: nodes in an order in which they can run, constants as arrays.

Whatever a file claims is checked here, before a dialect looks at it: what is refused names the
node, and nothing of the file is executed or followed (no external data, no sub-graphs).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.host.text import one_line, shown
from ..writers import DIGEST_KEY

Array = npt.NDArray[Any]

MAX_NODES = 1 << 14
OLDEST_OPSET = 7
OLDEST_IR = 3
CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
_STANDARD = ("", "ai.onnx")
_FAILURES = (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError)


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One operator. An empty name in `inputs` is an input that is left out."""

    op: str
    name: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """For messages: `Node 'conv1' (Conv)`."""
        domain = f"{self.domain}." if self.domain not in _STANDARD else ""
        label = self.name or (self.outputs[0] if self.outputs else "")
        return f"Node {shown(label)} ({shown(domain + self.op)[1:-1]})"

    def optional(self, i: int) -> str | None:
        """Name of input i, None where it is left out."""
        return self.inputs[i] if i < len(self.inputs) and self.inputs[i] else None

    def refuse(self, requirement: str, found: str) -> InputError:
        """The error `<node>: <requirement>, not <found>`."""
        return InputError(f"{self.where}: {requirement}, not {found}")

    def integer(self, key: str, default: int) -> int:
        """Attribute `key`, an integer."""
        value = self.attributes.get(key, default)
        if type(value) is not int:
            raise self.refuse(f"attribute {key} must be an integer", shown(value))
        return value

    def integers(self, key: str, default: Iterable[int]) -> tuple[int, ...]:
        """Attribute `key`, a list of integers."""
        value = self.attributes.get(key, list(default))
        if not isinstance(value, list) or not all(type(x) is int for x in value):
            raise self.refuse(f"attribute {key} must be integers", shown(value))
        return tuple(value)

    def text(self, key: str, default: str) -> str:
        """Attribute `key`, a string."""
        value = self.attributes.get(key, default)
        if not isinstance(value, str):
            raise self.refuse(f"attribute {key} must be a text", shown(value))
        return value

    def number(self, key: str, default: float) -> float:
        """Attribute `key`, a number; an array of one element counts as one."""
        value = self.attributes.get(key, default)
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(-1)[0].item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(f"attribute {key} must be a number", shown(value))
        return value


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphInput:
    """The one tensor that is fed: its shape with a batch of 1, and its ONNX element type."""

    name: str
    shape: tuple[int, ...]
    element: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A checked graph with one fed input and one output."""

    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    input: GraphInput
    output: str
    annotations: Mapping[str, str]
    """Quantization annotations of QONNX: tensor to the name of its integer type."""

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    def operators(self) -> set[str]:
        """Names of all operators."""
        return {node.op for node in self.nodes}


def read(path: Path) -> Graph:
    """The graph of the ONNX file `path`; refuses what is broken, cyclic, dynamic or elsewhere."""
    what = f"ONNX file {shown(str(path))}"
    if not path.is_file():
        raise InputError(f"{what} must be a file, not absent")
    demand(6 * path.stat().st_size, what)
    return parse(path.read_bytes(), what)


def parse(data: bytes, what: str) -> Graph:
    """The graph of a serialized model; what: the file, for messages."""
    import onnx

    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's own errors, whatever its implementation calls them
        raise InputError(f"{what} must be a whole ONNX model: {one_line(error)}") from error
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise InputError(f"{what} must be an ONNX model with a graph, not without one")
    _check_origin(model, what)
    _check_versions(model, what, onnx)
    try:
        return _graph(model, what)
    except _FAILURES as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what} must be a consistent ONNX model: {one_line(error)}") from error


def _check_origin(model: Any, what: str) -> None:
    """Refuse what `adqhw export-onnx` wrote: a program's digest is in it."""
    for entry in model.metadata_props:
        if entry.key == DIGEST_KEY:
            raise InputError(
                f"{what} must be a network of others, not an export of the adqhw program "
                f"{shown(entry.value)}: use the program's own file"
            )


def _check_versions(model: Any, what: str, onnx: Any) -> None:
    newest_ir, newest = int(onnx.IR_VERSION), int(onnx.defs.onnx_opset_version())
    if not OLDEST_IR <= model.ir_version <= newest_ir:
        raise InputError(
            f"{what}: IR version must be {OLDEST_IR}..{newest_ir}, not {model.ir_version}"
        )
    opsets = [x.version for x in model.opset_import if x.domain in _STANDARD]
    if not opsets or not OLDEST_OPSET <= max(opsets) <= newest:
        found = max(opsets, default=None)
        raise InputError(f"{what}: opset must be {OLDEST_OPSET}..{newest}, not {found}")
    if model.functions:
        raise InputError(
            f"{what}: operators must be those of a dialect, not functions of the model "
            f"({shown(model.functions[0].name)})"
        )


def _graph(model: Any, what: str) -> Graph:
    graph = model.graph
    if len(graph.node) > MAX_NODES:
        raise InputError(f"{what} must have at most {MAX_NODES} nodes, not {len(graph.node)}")
    if graph.sparse_initializer:
        raise InputError(f"{what}: constants must be dense, not sparse initializers")
    constants = {
        _text(x.name): tensor(x, f"{what}: constant {shown(x.name)}") for x in graph.initializer
    }
    fed = [x for x in graph.input if _text(x.name) not in constants]
    if len(fed) != 1 or len(graph.output) != 1:
        raise InputError(
            f"{what} must have one input and one output, not {len(fed)} and {len(graph.output)}"
        )
    output = _text(graph.output[0].name)
    nodes = _ordered([_node(x) for x in graph.node], {*constants, _text(fed[0].name)}, output, what)
    annotations = {
        _text(x.tensor_name): _text(pair.value)
        for x in graph.quantization_annotation
        for pair in x.quant_parameter_tensor_names
        if pair.key == "finn_datatype"
    }
    return Graph(
        nodes=nodes, constants=constants, input=_fed(fed[0], what), output=output,
        annotations=annotations,
    )  # fmt: skip


def tensor(proto: Any, what: str) -> Array:
    """The array of a TensorProto; refuses data that lies outside the file."""
    from onnx import TensorProto, numpy_helper

    if proto.data_location == TensorProto.EXTERNAL or proto.external_data:
        raise InputError(f"{what} must lie in the file itself, not in external data")
    try:
        if any(size < 0 for size in proto.dims):
            raise ValueError(f"sizes {list(proto.dims)}")
        demand(8 * int(np.prod([int(x) for x in proto.dims], dtype=object)), what)
        values = np.asarray(numpy_helper.to_array(proto))
    except InputError:
        raise
    except Exception as error:  # numpy_helper has no error of its own
        raise InputError(f"{what} must be a whole tensor: {one_line(error)}") from error
    if values.dtype.kind not in "biuf":
        raise InputError(f"{what} must be of numbers of 8 to 64 bits, not {values.dtype}")
    return values


def _node(proto: Any) -> Node:
    node = Node(
        op=_text(proto.op_type), name=_text(proto.name), domain=_text(proto.domain),
        inputs=tuple(_text(x) for x in proto.input), outputs=tuple(_text(x) for x in proto.output),
    )  # fmt: skip
    if node.op in CONTROL_FLOW:
        raise node.refuse("graph must be without control flow", node.op)
    attributes = {_text(x.name): _attribute(x, node) for x in proto.attribute}
    return Node(
        op=node.op, name=node.name, domain=node.domain, inputs=node.inputs, outputs=node.outputs,
        attributes=attributes,
    )  # fmt: skip


def _text(value: str | bytes) -> str:
    """A name; protobuf gives one that is not UTF-8 as bytes."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def _attribute(proto: Any, node: Node) -> Any:
    from onnx import AttributeProto as Kind

    match proto.type:
        case Kind.FLOAT:
            return float(proto.f)
        case Kind.INT:
            return int(proto.i)
        case Kind.STRING:
            return proto.s.decode("utf-8", "replace")
        case Kind.FLOATS:
            return [float(x) for x in proto.floats]
        case Kind.INTS:
            return [int(x) for x in proto.ints]
        case Kind.STRINGS:
            return [x.decode("utf-8", "replace") for x in proto.strings]
        case Kind.TENSOR:
            return tensor(proto.t, f"{node.where}: attribute {shown(proto.name)}")
        case _:
            raise node.refuse(
                f"attribute {shown(proto.name)} must be numbers, a text or a tensor", "a graph"
            )


def _fed(proto: Any, what: str) -> GraphInput:
    from onnx import TensorProto

    name = f"{what}: input {shown(proto.name)}"
    if not proto.type.HasField("tensor_type"):
        raise InputError(f"{name} must be a tensor, not a sequence, map or optional")
    kind = proto.type.tensor_type
    sizes: list[int] = []
    for i, size in enumerate(kind.shape.dim):
        value = int(size.dim_value) if size.HasField("dim_value") else 0
        if i == 0 and value <= 0:
            value = 1  # a symbolic batch
        if value <= 0:
            symbol = shown(size.dim_param) if size.dim_param else "unknown"
            raise InputError(f"{name}: size {i} must be a number, not {symbol} (dynamic shape)")
        sizes.append(value)
    if not 2 <= len(sizes) <= 4 or sizes[0] != 1:
        raise InputError(
            f"{name} must be (batch, ...) with a batch of 1 or symbolic and 2 to 4 sizes, "
            f"not {shown(sizes)}"
        )
    demand(8 * int(np.prod(sizes, dtype=object)), name)
    return GraphInput(
        name=_text(proto.name),
        shape=tuple(sizes),
        element=TensorProto.DataType.Name(kind.elem_type),
    )


def _ordered(nodes: list[Node], known: set[str], output: str, what: str) -> tuple[Node, ...]:
    """The nodes that the output needs, each after what it reads."""
    makers: dict[str, Node] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in makers or name in known:
                raise node.refuse(f"tensor {shown(name)} must be made once", "twice")
            makers[name] = node
    if output not in makers:
        raise InputError(f"{what}: output {shown(output)} must be made by a node, not missing")
    done: dict[int, Node] = {}
    open_: set[int] = set()
    stack: list[tuple[Node, bool]] = [(makers[output], False)]
    while stack:
        node, read_all = stack.pop()
        key = id(node)
        if read_all:
            open_.discard(key)
            done[key] = node
            continue
        if key in done:
            continue
        if key in open_:
            raise node.refuse("graph must be without cycles", "one through this node")
        open_.add(key)
        stack.append((node, True))
        for name in reversed(list(filter(None, node.inputs))):
            if name in known:
                continue
            if name not in makers:
                raise node.refuse(f"input {shown(name)} must be made by a node", "missing")
            maker = makers[name]
            if id(maker) in open_:
                raise maker.refuse("graph must be without cycles", "one through this node")
            if id(maker) not in done:
                stack.append((maker, False))
    return tuple(done.values())
