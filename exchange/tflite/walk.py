"""The walk over a file's operators: tensors drawn so far, operands, and what is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.program import Shape
from ..builder import Codes
from ..draft import Draft
from ..imported import Imported, Quantization
from .file import FORMATS, FileGraph, FileOperator, FileTensor

REFERENCE, MICRO = "tflite-reference", "tflite-micro"
DIALECTS = (REFERENCE, MICRO)


@dataclass(kw_only=True, eq=False)
class Walk:
    """The walk over the operators: what is drawn so far, by index of the file's tensor."""

    graph: FileGraph
    dialect: str
    draft: Draft = field(init=False)
    codes: dict[int, Codes] = field(default_factory=dict)
    pending: dict[int, tuple[Codes, tuple[int, int, int, int]]] = field(default_factory=dict)
    """Padded tensors that the convolutions which read them pad themselves."""
    dropped: list[str] = field(default_factory=list)
    ended: bool = False
    """Whether what follows changes the result's numbers only, not what the network computes."""

    @property
    def micro(self) -> bool:
        """Whether the engine is TFLite-Micro."""
        return self.dialect == MICRO

    def run(self, handlers: "Mapping[str, Handler]") -> Imported:
        """Draw every operator; the program's result is the file's."""
        self.draft = Draft(dialect=self.dialect, channels_last=True, rounding="away")
        first, last = self._ends()
        self._check_types()
        for operator in self.graph.operators:
            handler = handlers.get(operator.name)
            if handler is None:
                raise InputError(
                    f"{operator} must be one of {', '.join(sorted(handlers))}, not {operator.name}"
                )
            self.take_input(first, operator)
            if self.ended:
                self.drop(operator)
            else:
                handler(self, operator)
        if last not in self.codes:
            raise InputError(
                f"Output of the graph must be made by its operators, not {self.graph.tensors[last]}"
            )
        return self.draft.finish(self.codes[last], tuple(self.dropped))

    def drop(self, operator: FileOperator) -> None:
        """Leave an operator at the end out: its result is what it reads."""
        self.codes[self.result(operator).index] = self.source(operator)
        self.dropped.append(f"{operator} at the end: the program's result is its input")

    def _check_types(self) -> None:
        """Refuse uint8 networks for TFLite-Micro, which only converts such codes."""
        for operator in self.graph.operators:
            used = [self.graph.tensors[k] for k in operator.inputs[:1] if k >= 0]
            plain = operator.name in ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE")
            if self.micro and not plain and any(tensor.type == "UINT8" for tensor in used):
                raise InputError(
                    f"{operator} must have INT8 tensors for {MICRO}, whose convolutions know no "
                    f"others, not UINT8; {REFERENCE} reads it"
                )

    def _ends(self) -> tuple[int, int]:
        graph = self.graph
        if len(graph.inputs) != 1 or len(graph.outputs) != 1 or min(graph.inputs) < 0:
            raise InputError(
                f"Graph must have one input and one output, "
                f"not {len(graph.inputs)} and {len(graph.outputs)}"
            )
        return graph.inputs[0], graph.outputs[0]

    # -- tensors ---------------------------------------------------------------------------------

    def take_input(self, first: int, operator: FileOperator) -> None:
        """Draw the program's input when its first reader is met: that decides the map."""
        if self.codes or first not in operator.inputs:
            return
        tensor = self.graph.tensors[first]
        shape, quantized = tensor.shape, tensor
        if operator.name == "QUANTIZE" and tensor.type == "FLOAT32":
            quantized = self.graph.tensors[operator.outputs[0]]
        elif operator.name == "RESHAPE":
            shape = self.graph.tensors[operator.outputs[0]].shape
        where = f"Input {tensor}"
        codes = self.draft.input(map_shape(shape, where), quantization(quantized))
        self.codes[first] = codes
        self.draft.is_file_tensor(codes, quantized.name, batchless(tensor.shape, where))

    def source(self, operator: FileOperator, k: int = 0) -> Codes:
        """The drawn tensor that input k of an operator is."""
        index = self.operand(operator, k).index
        if index in self.pending:
            codes, padding = self.pending[index]
            name = self.graph.tensors[index].name
            self.codes[index] = self.draft.pad(name, codes, padding)
            del self.pending[index]
        if index not in self.codes:
            raise InputError(
                f"{operator}: input {k} must be made by an earlier operator, "
                f"not {self.graph.tensors[index]}"
            )
        return self.codes[index]

    def operand(self, operator: FileOperator, k: int) -> FileTensor:
        """Tensor k that an operator reads."""
        if k >= len(operator.inputs) or operator.inputs[k] < 0:
            raise InputError(f"{operator} must have an input {k}, not {len(operator.inputs)}")
        return self.graph.tensors[operator.inputs[k]]

    def constant(self, operator: FileOperator, k: int, type_name: str) -> npt.NDArray[Any]:
        """Data of a constant operand."""
        tensor = self.operand(operator, k)
        if tensor.data is None or tensor.type != type_name:
            raise InputError(
                f"{operator}: {tensor} must be constant {type_name}, "
                f"not {'computed ' if tensor.data is None else ''}{tensor.type}"
            )
        return tensor.data

    def result(self, operator: FileOperator) -> FileTensor:
        """The tensor that an operator makes."""
        if len(operator.outputs) != 1 or operator.outputs[0] < 0:
            raise InputError(f"{operator} must have one output, not {len(operator.outputs)}")
        return self.graph.tensors[operator.outputs[0]]

    def made(self, operator: FileOperator, codes: Codes) -> None:
        """Say that `codes` are the operator's result; its claimed shape must be theirs."""
        tensor = self.result(operator)
        shape = batchless(tensor.shape, f"{operator}: {tensor}")
        channels, height, width = codes.shape
        if prod(shape) != prod(codes.shape) or (len(shape) == 3 and shape[0] != height):
            raise InputError(
                f"{operator}: {tensor} must have the shape (1, {height}, {width}, {channels}), "
                f"not {tensor.shape}"
            )
        self.codes[tensor.index] = codes
        self.draft.is_file_tensor(codes, tensor.name, shape)

    def readers(self, index: int) -> list[FileOperator]:
        """The operators that read a tensor."""
        return [operator for operator in self.graph.operators if index in operator.inputs]

    def refuse(self, operator: FileOperator, what: str, found: object) -> InputError:
        """The error `what` for an operator."""
        return InputError(f"{operator} must {what}, not {shown(found)}")


Handler = Callable[[Walk, FileOperator], None]


def quantization(tensor: FileTensor) -> Quantization:
    """One scale and zero point, of int8 or uint8 codes; else refused."""
    if tensor.type not in FORMATS or len(tensor.scales) != 1:
        raise InputError(
            f"{tensor} must be INT8 or UINT8 with one scale, "
            f"not {tensor.type} with {len(tensor.scales)}"
        )
    scale, zero, fmt = float(tensor.scales[0]), int(tensor.zero_points[0]), FORMATS[tensor.type]
    if not (np.isfinite(scale) and scale > 0) or not fmt.contains(zero, zero):
        raise InputError(
            f"{tensor} must have a scale > 0 and a zero point in {fmt.min}..{fmt.max}, "
            f"not {scale} and {zero}"
        )
    return Quantization(format=fmt, scale=scale, zero_point=zero)


def batchless(shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    """A shape without its batch, which must be one image."""
    if not 2 <= len(shape) <= 4 or shape[0] not in (1, -1) or min(shape[1:]) < 1:
        raise InputError(f"{where} must have a shape (1, ...) of 2 to 4 sizes, not {shown(shape)}")
    return shape[1:]


def map_shape(shape: tuple[int, ...], where: str) -> Shape:
    """(C, H, W) of (1, H, W, C), (1, W, C) or (1, C)."""
    sizes = batchless(shape, where)
    height, width, channels = (1,) * (3 - len(sizes)) + sizes
    return channels, height, width
