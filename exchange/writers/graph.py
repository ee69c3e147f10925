"""An ONNX graph being written: nodes, constants, element types; its size is kept below protobuf's.

Names of the program's tensors stay free for them: everything else has a `/` in its name, which no
layer's name may hold (contract section 6).
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from ...spec.errors import InputError
from ...spec.host.version import VERSION

OPSET, IR_VERSION = 17, 9
MAX_BYTES = (1 << 31) - (1 << 24)
"""Most bytes of nodes and constants: protobuf takes 2 GiB, shapes and annotations included."""

BOOL, U8, I8 = TensorProto.BOOL, TensorProto.UINT8, TensorProto.INT8
I32, I64 = TensorProto.INT32, TensorProto.INT64
FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE

Shape = Sequence[int | str]


class Graph:
    """Nodes and constants of a model being written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.values: list[Any] = []
        """Types and shapes of tensors that users look at."""
        self.types: dict[str, int] = {}
        """Element type of every tensor by name."""
        self.bytes = 0

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """A constant of `dtype`; one of the same name is not written again."""
        if name not in self.types:
            array = np.asarray(value, dtype)
            self._grow(array.nbytes, f"constant {name!r}")
            tensor = numpy_helper.from_array(array, name)
            self.constants.append(tensor)
            self.types[name] = tensor.data_type
        return name

    def add(
        self, kind: str, inputs: Sequence[str], output: str, *, type: int | None = None,
        domain: str = "", **fields: Any,
    ) -> str:  # fmt: skip
        """A node; the name of its output. type: element type, else that of its first input."""
        name = output if "/" in output else f"{output}/{kind}"
        node = helper.make_node(kind, list(inputs), [output], name=name, domain=domain, **fields)
        self._grow(node.ByteSize(), f"node {name!r}")
        self.nodes.append(node)
        self.types[output] = self.types.get(inputs[0], FLOAT) if type is None else type
        return output

    def _grow(self, size: int, what: str) -> None:
        self.bytes += size
        if self.bytes > MAX_BYTES:
            raise InputError(
                f"Model must take at most {MAX_BYTES:,} bytes (protobuf's limit), not "
                f"{self.bytes:,} with {what}"
            )

    def cast(self, source: str, to: int, output: str | None = None) -> str:
        """`source` as element type `to`; without an `output` of its own it is written once."""
        if output is None:
            if self.types[source] == to:
                return source
            output = (
                f"{source}/{'' if '/' in source else 'as_'}{TensorProto.DataType.Name(to).lower()}"
            )
            if output in self.types:
                return output
        return self.add("Cast", [source], output, type=to, to=to)

    def declare(self, name: str, shape: Shape) -> Any:
        """The ValueInfo of a tensor that has its type already."""
        return helper.make_tensor_value_info(name, self.types[name], shape)

    def model(
        self, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], *,
        domains: Iterable[str] = (), functions: Sequence[Any] = (),
        facts: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:  # fmt: skip
        """The ModelProto. facts: its metadata."""
        graph = helper.make_graph(
            self.nodes, "program",
            [self.declare(name, shape) for name, shape in inputs.items()],
            [self.declare(name, shape) for name, shape in outputs.items()],
            self.constants,
            value_info=[value for value in self.values if value.name not in outputs],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, functions=list(functions),
            producer_name="adqhw", producer_version=VERSION,
        )  # fmt: skip
        helper.set_model_props(model, dict(facts))
        return model


def serialized(model: Any) -> bytes:
    """The bytes of a model's file, the same for the same model."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content
