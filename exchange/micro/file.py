"""A TFLite file in the making: tensors, operators, and its bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError

_ALIGNED = 16
"""Bytes: the schema's `force_align` of buffers, which kernels on microcontrollers need."""
_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3}
"""Version of an operator with int8 tensors where it is not 2."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tensor:
    """A tensor of the file; axis: that of its scales, if there are several."""

    name: str
    shape: tuple[int, ...]
    dtype: npt.DTypeLike
    scales: Sequence[float]
    zero_points: Sequence[int]
    axis: int
    buffer: int

    @property
    def table_axis(self) -> int | None:
        """Where lookup tables lie: interpreters look at the scales for it, or at the table."""
        return self.axis if len(self.scales) > 1 else None


@dataclass(frozen=True, kw_only=True)
class _Operator:
    name: str
    inputs: tuple[int, ...]
    output: int
    table: str
    options: Mapping[str, int]


@dataclass(kw_only=True, eq=False)
class MicroFile:
    """Tensors and operators so far; buffer 0 is the empty one."""

    tensors: list[_Tensor] = field(default_factory=list)
    operators: list[_Operator] = field(default_factory=list)
    buffers: list[bytes] = field(default_factory=lambda: [b""])
    weights: dict[int, npt.NDArray[np.int8]] = field(default_factory=dict)
    """By the index of the tensor."""

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        scales: Sequence[float] = (),
        zero_points: Sequence[int] = (),
        *,
        axis: int = 0,
        data: npt.NDArray[Any] | None = None,
    ) -> int:
        """Index of a new tensor of int8 codes, or of the constant `data`."""
        buffer = 0
        if data is not None:
            self.buffers.append(np.ascontiguousarray(data).tobytes())
            buffer = len(self.buffers) - 1
        made = _Tensor(
            name=name, shape=tuple(shape), dtype=np.dtype(np.int8) if data is None else data.dtype,
            scales=scales, zero_points=zero_points, axis=axis, buffer=buffer,
        )  # fmt: skip
        self.tensors.append(made)
        if data is not None and data.dtype == np.int8:
            self.weights[len(self.tensors) - 1] = data
        return len(self.tensors) - 1

    def operator(
        self, name: str, inputs: Sequence[int], output: int, table: str, **options: int
    ) -> None:
        """One more operator; table: the schema's name of its options, "" for none."""
        made = _Operator(
            name=name, inputs=tuple(inputs), output=output, table=table, options=options
        )
        self.operators.append(made)

    def bytes(self, source: int, result: int, description: str) -> bytes:
        """The file; source, result: tensors that are its input and its output."""
        flatbuffers, schema = _packages()
        made = _Builder(flatbuffers.Builder(1 << 16), schema)
        return made.file(self, source, result, description)


def _packages() -> tuple[Any, Any]:
    try:
        import flatbuffers
        import tflite  # both are extras: only this format needs them
    except ImportError as error:
        raise InputError(
            "Package 'tflite' must be installed to write TFLite files: pip install adqhw[exchange]"
        ) from error
    return flatbuffers, tflite


class _Builder:
    """FlatBuffers are written from the leaves: every vector and string before its table."""

    def __init__(self, builder: Any, schema: Any) -> None:
        self.builder, self.schema = builder, schema

    def file(self, file: MicroFile, source: int, result: int, description: str) -> bytes:
        names = sorted({operator.name for operator in file.operators})
        buffers = self._offsets([self._buffer(data) for data in file.buffers])
        tensors = self._offsets([self._tensor(tensor) for tensor in file.tensors])
        operators = self._offsets([self._operator(x, names) for x in file.operators])
        codes = self._offsets([self._code(name) for name in names])
        graph = self._table(
            "SubGraph",
            Tensors=tensors,
            Inputs=self._numbers([source], np.int32),
            Outputs=self._numbers([result], np.int32),
            Operators=operators,
            Name=self.builder.CreateString("main"),
        )
        model = self._table(
            "Model",
            Version=3,
            OperatorCodes=codes,
            Subgraphs=self._offsets([graph]),
            Description=self.builder.CreateString(description),
            Buffers=buffers,
        )
        self.builder.Finish(model, b"TFL3")
        return bytes(self.builder.Output())

    def _table(self, name: str, **fields: int) -> int:
        getattr(self.schema, f"{name}Start")(self.builder)
        for key, value in fields.items():
            getattr(self.schema, f"{name}Add{key}")(self.builder, value)
        return int(getattr(self.schema, f"{name}End")(self.builder))

    def _numbers(self, values: Sequence[Any], dtype: npt.DTypeLike) -> int:
        return int(self.builder.CreateNumpyVector(np.array(values, dtype)))

    def _offsets(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def _buffer(self, data: bytes) -> int:
        if not data:
            return self._table("Buffer")
        self.builder.StartVector(1, len(data), _ALIGNED)
        self.builder.head -= len(data)
        self.builder.Bytes[self.builder.head : self.builder.head + len(data)] = data
        return self._table("Buffer", Data=int(self.builder.EndVector()))

    def _tensor(self, tensor: _Tensor) -> int:
        fields = {
            "Shape": self._numbers(tensor.shape, np.int32),
            "Type": getattr(self.schema.TensorType, np.dtype(tensor.dtype).name.upper()),
            "Buffer": tensor.buffer,
            "Name": self.builder.CreateString(tensor.name),
        }
        if len(tensor.scales):
            fields["Quantization"] = self._table(
                "QuantizationParameters",
                Scale=self._numbers(tensor.scales, np.float32),
                ZeroPoint=self._numbers(tensor.zero_points, np.int64),
                QuantizedDimension=tensor.axis,
            )
        return self._table("Tensor", **fields)

    def _operator(self, operator: _Operator, names: Sequence[str]) -> int:
        fields = {
            "OpcodeIndex": names.index(operator.name),
            "Inputs": self._numbers(operator.inputs, np.int32),
            "Outputs": self._numbers([operator.output], np.int32),
        }
        if operator.table:
            fields["BuiltinOptionsType"] = getattr(self.schema.BuiltinOptions, operator.table)
            fields["BuiltinOptions"] = self._table(operator.table, **operator.options)
        return self._table("Operator", **fields)

    def _code(self, name: str) -> int:
        code = getattr(self.schema.BuiltinOperator, name)
        return self._table(
            "OperatorCode",
            DeprecatedBuiltinCode=min(code, 127),
            BuiltinCode=code,
            Version=_VERSIONS.get(name, 2),
        )
