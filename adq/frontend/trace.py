"""A module's operations by torch.export: one closed set of ATen operators, whatever was written.

Modules, functions and tensor methods become the same operators; shapes are numbers; each operator
keeps the module and the line that it comes from. In-place operators keep their order.
"""

import copy
import logging
import warnings
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind, OutputKind

from ...spec.errors import InputError
from ...spec.host.text import printable
from ...spec.program import INPUT
from .operations import Graph, Op
from .operators import HANDLERS
from .places import UnsupportedModelError, module_of, raised_at, refuse, where
from .values import Value

BATCH = 2
"""Images that are traced with: more than one, so that no dimension of one is mistaken for it."""
SEQUENTIAL = frozenset(
    {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "MultiheadAttention"}
)
"""Modules whose first operators would be understood, but not what they are part of."""


def read(model: nn.Module, images: Tensor) -> "Reader":
    """The operations of ``model`` in evaluation, for ``images`` (N, ...) of real values."""
    reader = Reader(model, _exported(model, images), tuple(images.shape[1:]))
    reader.read()
    return reader


def _exported(model: nn.Module, images: Tensor) -> torch.export.ExportedProgram:
    """The module as torch.export sees it, or the reason why it does not."""
    twin = copy.deepcopy(model).eval()
    sample = images[:1].expand(BATCH, *images.shape[1:]).contiguous()
    log = logging.getLogger("torch")
    level = log.level
    log.setLevel(logging.CRITICAL)  # errors are told by the message below
    try:
        # torch also prints the graph where it failed
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            return torch.export.export(twin, (sample,), strict=False)
    except InputError:
        raise
    except Exception as error:
        # whatever a user's code or torch's tracer may raise
        place = raised_at(error)
        text = str(error).strip().splitlines()
        raise refuse(
            f"Model {printable(type(model).__name__)}"
            + (f", {printable(place, 200)}" if place else ""),
            "must run the same operations for every batch (N, ...) of one tensor",
            f"fail with {type(error).__name__}: {text[0] if text else ''}",
        ) from error
    finally:
        log.setLevel(level)


class Reader:
    """Reads an exported graph operator by operator; handlers (`operators`) add to its graph."""

    def __init__(
        self, model: nn.Module, exported: torch.export.ExportedProgram, shape: tuple[int, ...]
    ) -> None:
        self.exported, self.shape = exported, shape
        self.modules = dict(model.named_modules())
        self.graph = Graph()
        self.values: dict[fx.Node, Value] = {}
        self.parameters: dict[fx.Node, str] = {}
        """Names of the parameters and buffers that are inputs of the exported graph."""
        self.used: dict[str, str] = {}
        """Where each parameter is used."""
        self.random = False
        """Whether the module drops values in evaluation too."""
        self.flat_result = True
        """Whether the result is (N, classes)."""
        self.taken = {INPUT, *self.modules}

    def read(self) -> None:
        """Fill the graph."""
        names = {
            spec.arg.name: (spec.kind, spec.target)
            for spec in self.exported.graph_signature.input_specs
        }
        for node in self.exported.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node, *names[node.name])
            elif node.op == "output":
                self._output(node)
            elif node.op == "call_function":
                self._call(node)

    def _placeholder(self, node: fx.Node, kind: InputKind, target: str | None) -> None:
        if kind is InputKind.USER_INPUT:
            if any(value.name == INPUT for value in self.values.values()):
                raise UnsupportedModelError("Model must have one input, not several")
            self.values[node] = Value.entering(self.shape)
        elif target is not None:
            self.parameters[node] = target

    def _output(self, node: fx.Node) -> None:
        kinds = [spec.kind for spec in self.exported.graph_signature.output_specs]
        results = [
            value
            for value, kind in zip(node.args[0], kinds, strict=True)  # type: ignore[arg-type]
            if kind is OutputKind.USER_OUTPUT
        ]
        if len(results) != 1 or not isinstance(results[0], fx.Node):
            raise UnsupportedModelError(f"Model must return one tensor, not {len(results)} values")
        value = self.value(results[0], results[0])
        if value.name == INPUT:
            raise UnsupportedModelError("Model must compute something, not return its input")
        self.no_pads(results[0], value)
        self.graph.result = value.name
        self.flat_result = value.flat

    def _call(self, node: fx.Node) -> None:
        target: Any = node.target
        namespace, _, rest = str(target).partition(".")
        name = rest.split(".")[0]
        handler = HANDLERS.get(name.removesuffix("_")) if namespace == "aten" else None
        _, kind = module_of(node)
        if handler is None or kind in SEQUENTIAL:
            raise refuse(
                where(node), "operation must be one of convolutions, linear layers, batch norms, "
                "activations, pools, additions, concatenations and nearest upsampling",
                kind if kind in SEQUENTIAL else name.removesuffix("_") or target,
            )  # fmt: skip
        value = handler(self, node, self.arguments(node))
        self.values[node] = value
        if name.endswith("_") and isinstance(node.args[0], fx.Node):
            self.values[node.args[0]] = value  # who reads the tensor now reads what was written

    # -- for handlers ----------------------------------------------------------------------------

    def arguments(self, node: fx.Node) -> dict[str, Any]:
        """Arguments of an operator by name, defaults filled in."""
        target: Any = node.target
        named: dict[str, Any] = {}
        for place, argument in enumerate(target._schema.arguments):
            default = argument.default_value if argument.has_default_value() else None
            given = node.args[place] if place < len(node.args) else None
            named[argument.name] = node.kwargs.get(argument.name, default)
            if place < len(node.args):
                named[argument.name] = given
        return named

    def value(self, node: fx.Node, argument: Any) -> Value:
        """The map that an argument is."""
        if not isinstance(argument, fx.Node) or argument not in self.values:
            name = self.parameters.get(argument) if isinstance(argument, fx.Node) else argument
            raise refuse(
                where(node), "operands must be maps that the model computes from its input, "
                "not constants (normalization of the input is config.mean and config.std)", name,
            )  # fmt: skip
        return self.values[argument]

    def no_pads(self, node: fx.Node, value: Value) -> Value:
        """The value, if no padding waits for a convolution."""
        if any(value.pads):
            raise refuse(where(node), "padding must be followed by a convolution", "by this")
        return value

    def parameter(self, node: fx.Node, argument: Any, role: str) -> tuple[str, Tensor]:
        """Module path and tensor of a parameter called ``role`` in its module."""
        name = self.parameters.get(argument) if isinstance(argument, fx.Node) else None
        path, _, last = (name or "").rpartition(".")
        if name is None or last != role or not path:
            raise refuse(
                where(node), f"{role} must be the parameter {role!r} of a module, unchanged",
                name or "a tensor that is computed or kept elsewhere",
            )  # fmt: skip
        if name in self.used:
            raise refuse(
                where(node), "a module with weights must be called once (make two, alike "
                "if need be)", f"{path!r} again after {self.used[name]}",
            )  # fmt: skip
        self.used[name] = where(node)
        tensor = self.exported.state_dict[name]
        if tensor.dtype is not torch.float32:
            raise refuse(where(node), f"{role} must be float32", tensor.dtype)
        return path, tensor

    def name_for(self, node: fx.Node, path: str | None = None) -> str:
        """A new name of a tensor: that of the module with the weights, or of the one that calls."""
        scope, kind = module_of(node)
        leaf = scope and type(self.modules.get(scope)).__module__.startswith("torch.nn.modules")
        word = str(node.target).split(".")[1].rstrip("_")
        wanted = path or (scope if leaf and kind else f"{scope}.{word}" if scope else word)
        return self.unique(wanted, own=wanted if wanted in self.modules else None)

    def unique(self, wanted: str, own: str | None = None) -> str:
        """A legal name that no other tensor and no module has; ``own``: this module may."""
        base = ".".join(_legal(part) for part in wanted.split("."))
        name, number = base, 2
        while name in self.graph.ops or name == INPUT or (name in self.taken and name != own):
            name, number = f"{base}_{number}", number + 1
        return name

    def add(self, op: Op) -> Value:
        """Put an operation into the graph."""
        self.graph.ops[op.name] = op
        return Value(name=op.name, map=(op.channels, *op.size))


def _legal(part: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in part)
    return kept or "_"
