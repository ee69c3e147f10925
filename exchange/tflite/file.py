"""A TFLite file as plain data: tensors, operators, options; nothing of it is trusted.

The package `tflite` reads FlatBuffers without verifying offsets. Everything is read once, here:
counts are bounded, and what a broken file makes of the reader becomes one message.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.host.limits import demand
from ...spec.host.reading import read_bytes
from ...spec.host.text import one_line, printable, shown

MAX_BYTES = 1 << 30
MAX_ITEMS = 1 << 16
"""Most tensors, operators and operator codes."""
_RANK = 8
_BROKEN = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    AttributeError,
    KeyError,
    MemoryError,
)
"""What the reader raises when an offset points beyond the file."""

TYPES = {
    "FLOAT32": np.float32, "INT32": np.int32, "UINT8": np.uint8, "INT64": np.int64,
    "INT8": np.int8, "INT16": np.int16,
}  # fmt: skip
FORMATS = {"INT8": IntFormat(width=8, signed=True), "UINT8": IntFormat(width=8)}


@dataclass(frozen=True, kw_only=True, eq=False)
class FileTensor:
    """A tensor of the file; data is None for one that an operator makes, or the input."""

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    axis: int
    """Dimension of the scales, where there are several."""
    data: npt.NDArray[Any] | None

    def __str__(self) -> str:
        return f"tensor {self.index} ({printable(self.name, 60)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class FileOperator:
    """An operator of the file, by its name in the schema (CONV_2D); -1 is an absent input."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"Operator {self.index} ({self.name})"


@dataclass(frozen=True, kw_only=True, eq=False)
class FileGraph:
    """The only subgraph of a file."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "CONV_2D": (
        "Conv2DOptions",
        {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1,
         "FusedActivationFunction": 0},
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1,
         "DepthMultiplier": 1, "FusedActivationFunction": 0},
    ),
    "FULLY_CONNECTED": (
        "FullyConnectedOptions", {"FusedActivationFunction": 0, "WeightsFormat": 0}
    ),
    "ADD": ("AddOptions", {"FusedActivationFunction": 0}),
    "AVERAGE_POOL_2D": (
        "Pool2DOptions",
        {"Padding": 0, "StrideH": 1, "StrideW": 1, "FilterHeight": 1, "FilterWidth": 1,
         "FusedActivationFunction": 0},
    ),
    "MAX_POOL_2D": (
        "Pool2DOptions",
        {"Padding": 0, "StrideH": 1, "StrideW": 1, "FilterHeight": 1, "FilterWidth": 1,
         "FusedActivationFunction": 0},
    ),
    "MEAN": ("ReducerOptions", {"KeepDims": False}),
    "CONCATENATION": ("ConcatenationOptions", {"Axis": 0, "FusedActivationFunction": 0}),
    "LEAKY_RELU": ("LeakyReluOptions", {"Alpha": 0.0}),
    "RESIZE_NEAREST_NEIGHBOR": (
        "ResizeNearestNeighborOptions", {"AlignCorners": False, "HalfPixelCenters": False}
    ),
    "SOFTMAX": ("SoftmaxOptions", {"Beta": 0.0}),
}  # fmt: skip
"""The options that are read: table of the schema, fields with their defaults."""


def read_graph(path: str | Path) -> FileGraph:
    """The graph of a TFLite file; refuses, in one line, what is not one."""
    return parse_graph(read_bytes(path, "TFLite file", MAX_BYTES), str(path))


def parse_graph(data: bytes, path: str) -> FileGraph:
    """The graph of the bytes of a file; path: for messages."""
    what = f"TFLite file {shown(path)}"
    try:
        import tflite  # an extra: only this format needs it
    except ImportError as error:
        raise InputError(
            f"Package 'tflite' must be installed to read {what}: pip install adqhw[exchange]"
        ) from error
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise InputError(f"{what} must have the identifier TFL3, not {shown(bytes(data[4:8]))}")
    try:
        model = tflite.Model.GetRootAsModel(data, 0)
        return _Reader(tflite, model, what, len(data)).graph()
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(
            f"{what} must be whole, not broken or cut off ({type(error).__name__}: "
            f"{one_line(error)})"
        ) from error


class _Reader:
    """Walks a model; every count is bounded before it is used."""

    def __init__(self, tflite: Any, model: Any, what: str, size: int) -> None:
        self.tflite, self.model, self.what, self.size = tflite, model, what, size

    def graph(self) -> FileGraph:
        model = self.model
        if model.Version() != 3 or model.SubgraphsLength() != 1:
            raise InputError(
                f"{self.what} must have schema version 3 and one subgraph, "
                f"not {model.Version()} and {model.SubgraphsLength()}"
            )
        sub = model.Subgraphs(0)
        names = self._operator_names()
        tensors = tuple(
            self._tensor(sub.Tensors(i), i) for i in self._range(sub.TensorsLength(), "tensors")
        )
        operators = tuple(
            self._operator(sub.Operators(i), i, names, len(tensors))
            for i in self._range(sub.OperatorsLength(), "operators")
        )
        inputs = self._indices(sub.InputsLength(), sub.Inputs, len(tensors), "Input of the graph")
        outputs = self._indices(
            sub.OutputsLength(), sub.Outputs, len(tensors), "Output of the graph"
        )
        return FileGraph(tensors=tensors, operators=operators, inputs=inputs, outputs=outputs)

    def _range(self, count: int, things: str) -> range:
        if count > min(MAX_ITEMS, self.size):
            raise InputError(f"{self.what} must have at most {MAX_ITEMS} {things}, not {count}")
        return range(count)

    def _indices(self, count: int, get: Any, tensors: int, where: str) -> tuple[int, ...]:
        found = tuple(int(get(k)) for k in self._range(count, "indices"))
        for index in found:
            if not -1 <= index < tensors:
                raise InputError(
                    f"{self.what}: {where} must be a tensor in 0..{tensors - 1}, not {index}"
                )
        return found

    def _operator_names(self) -> list[str]:
        codes = {
            value: name
            for name, value in vars(self.tflite.BuiltinOperator).items()
            if isinstance(value, int)
        }
        found = []
        for i in self._range(self.model.OperatorCodesLength(), "operator codes"):
            entry = self.model.OperatorCodes(i)
            code = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
            found.append(codes.get(code, f"code {code}"))
        return found

    def _tensor(self, entry: Any, index: int) -> FileTensor:
        types = {v: k for k, v in vars(self.tflite.TensorType).items() if isinstance(v, int)}
        name = (entry.Name() or b"").decode(errors="replace")
        rank = entry.ShapeLength()
        if rank > _RANK:
            raise InputError(f"{self.what}: tensor {index} must have rank <= {_RANK}, not {rank}")
        shape = tuple(int(entry.Shape(k)) for k in range(rank))
        quantization = entry.Quantization()
        scales, zeros, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
        if quantization is not None and quantization.ScaleLength():
            scales = np.array(quantization.ScaleAsNumpy(), np.float32)
            zeros = np.zeros(len(scales), np.int64)
            if quantization.ZeroPointLength():
                zeros = np.array(quantization.ZeroPointAsNumpy(), np.int64)
            axis = int(quantization.QuantizedDimension())
        type_name = types.get(entry.Type(), f"type {entry.Type()}")
        if entry.Sparsity() is not None:
            raise InputError(f"{self.what}: tensor {index} must be dense, not sparse")
        return FileTensor(
            index=index,
            name=name,
            shape=shape,
            type=type_name,
            scales=scales,
            zero_points=zeros,
            axis=axis,
            data=self._data(entry, index, shape, type_name),
        )

    def _data(
        self, entry: Any, index: int, shape: tuple[int, ...], type_name: str
    ) -> npt.NDArray[Any] | None:
        where = f"{self.what}: tensor {index}"
        if not 0 <= entry.Buffer() < self.model.BuffersLength():
            raise InputError(f"{where} must have a buffer of the file, not {entry.Buffer()}")
        buffer = self.model.Buffers(entry.Buffer())
        if buffer is None or not buffer.DataLength():
            if buffer is not None and getattr(buffer, "Size", int)():
                raise InputError(f"{where} must have its data in the file's buffers, not behind")
            return None
        if type_name not in TYPES:
            return None
        raw = np.asarray(buffer.DataAsNumpy(), np.uint8)
        dtype = np.dtype(TYPES[type_name])
        if min(shape, default=1) < 0 or prod(shape) * dtype.itemsize != raw.size:
            raise InputError(
                f"{where} must have {shown(shape)} {type_name} in its buffer, not {raw.size} bytes"
            )
        demand(16 * raw.size, f"Tensor {index} of a TFLite file")
        return np.frombuffer(raw.tobytes(), dtype).reshape(shape)

    def _operator(self, entry: Any, index: int, names: list[str], tensors: int) -> FileOperator:
        code = entry.OpcodeIndex()
        if not 0 <= code < len(names):
            raise InputError(
                f"{self.what}: operator {index} must have a code in 0..{len(names) - 1}, not {code}"
            )
        where = f"tensor of operator {index}"
        return FileOperator(
            index=index,
            name=names[code],
            inputs=self._indices(entry.InputsLength(), entry.Inputs, tensors, where),
            outputs=self._indices(entry.OutputsLength(), entry.Outputs, tensors, where),
            options=self._options(entry, names[code]),
        )

    def _options(self, entry: Any, name: str) -> dict[str, Any]:
        if name not in OPTIONS:
            return {}
        table_name, defaults = OPTIONS[name]
        table = entry.BuiltinOptions()
        if table is None:
            return dict(defaults)
        options = getattr(self.tflite, table_name)()
        options.Init(table.Bytes, table.Pos)
        return {field_name: getattr(options, field_name)() for field_name in defaults}
