"""QONNX: float tensors of integers, thresholds as `MultiThreshold`, saturation as `Quant`.

QONNX has no weights from a table. They are an operator of our own, `Codebook`, whose standard
meaning is in the file itself, as an ONNX function; `operators.py` executes it in qonnx.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from onnx import StringStringEntryProto, TensorAnnotation, helper

from ...spec.activation import Threshold
from ...spec.formats import IntFormat
from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import INPUT, Program
from ...spec.requant import Requant
from . import stages, walk
from .base import NUMPY, Dialect
from .graph import DOUBLE, FLOAT, IR_VERSION, OPSET
from .parts import EXACT, WeightPart

DOMAIN = "adqhw.exchange.writers.operators"
"""Domain of `Codebook`; qonnx finds an operator's class in the module of its domain's name."""
QONNX_DOMAIN = "qonnx.custom_op.general"
WIDEST_QUANT = 24
"""Widest format (bits) whose ends float32 holds, so that `Quant` saturates exactly."""


class Qonnx(Dialect):
    """Codes are float32 tensors, float64 where float32 does not hold them all."""

    def __init__(self, program: Program, batch: int | str) -> None:
        super().__init__(program)
        self.batch = batch
        self.formats: dict[str, IntFormat] = {}
        """Formats of tensors that are weights."""

    def code_type(self, name: str) -> int:
        fmt = self.program.tensor_format(name)
        low, high = fmt.min, fmt.max
        last = self.program.layers[-1]
        sums = name == last.name and isinstance(last, MacLayer | PoolLayer)
        if sums and isinstance(last.output, Requant):  # far fewer codes than the format has
            low, high = stages.reach(self.program, last, last.output)
        return FLOAT if max(-low, high) <= EXACT else DOUBLE

    def weight(self, layer: MacLayer, part: WeightPart, label: str) -> str:
        graph, name = self.graph, f"{layer.name}/weight{label}"
        if layer.codebook is None or part.share is not None:
            values = part.of(layer.levels)
            self.formats[name] = _format(values)
            stored = graph.constant(f"{layer.name}/levels{label}", values)
            return self._quant(stored, name, self.formats[name])
        codes = graph.constant(f"{layer.name}/codes", layer.weights, np.uint8)
        levels = part.digits(np.asarray(layer.codebook.levels))
        self.formats[name] = _format(levels)
        table = graph.constant(f"{layer.name}/table{label}", levels)
        return graph.add(
            "Codebook", [codes, table], name, type=FLOAT, domain=DOMAIN, width=layer.weight_width
        )

    def thresholds(self, name: str, acc: str, stage: Threshold, bounds: tuple[int, int]) -> None:
        most = max(-bounds[0], bounds[1])
        value = self.signed(name, acc, stage)
        kind = self.graph.types[value]
        tau = np.clip(stage.tau, -most, most + 1)
        table = self.graph.constant(f"{name}/tau", tau, NUMPY[kind])
        output = name if kind == FLOAT else f"{name}/count"
        self.graph.add(
            "MultiThreshold", [value, table], output, domain=QONNX_DOMAIN,
            out_dtype=datatype(stage.format),
        )  # fmt: skip
        if output != name:
            self.graph.cast(output, FLOAT, name)

    def read(self, name: str, source: str, stage: Threshold) -> None:
        fmt = self.program.tensor_format(source)
        self.thresholds(name, source, stage, (fmt.min, fmt.max))

    def finish(self, name: str, value: str, out: IntFormat, *, saturates: bool) -> None:
        kind = self.code_type(name)
        if 1 < out.width <= WIDEST_QUANT:
            rounded = self.graph.cast(value, FLOAT)  # what it rounds lies beyond the format's ends
            self._quant(rounded, name, out)
            return
        if saturates:
            value = self.clipped(name, value, out)
        self.graph.cast(value, kind, name)

    def result(self, last: str, name: str) -> str:
        """The last tensor as (N, classes), in its type."""
        return self.graph.add("Flatten", [last], name, axis=1)

    def _quant(self, source: str, name: str, fmt: IntFormat) -> str:
        """`Quant` with scale 1 and zero point 0: saturation to `fmt`, exact on integers."""
        graph = self.graph
        scale, zero = graph.constant("constant/scale", 1.0), graph.constant("constant/zero", 0.0)
        width = graph.constant(f"constant/width{fmt.width}", float(fmt.width))
        return graph.add(
            "Quant", [source, scale, zero, width], name, type=FLOAT, domain=QONNX_DOMAIN,
            signed=int(fmt.signed), narrow=0, rounding_mode="FLOOR",
        )  # fmt: skip

    def notes(self) -> Iterator[Any]:
        """The integer type of every tensor of codes and weights, as QONNX and FINN note them."""
        formats = {n: tensor.format for n, tensor in self.program.tensors.items()} | self.formats
        for name, fmt in formats.items():
            note = StringStringEntryProto(key="finn_datatype", value=datatype(fmt))
            yield TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[note])


def datatype(fmt: IntFormat) -> str:
    """QONNX's name of a format."""
    if fmt == IntFormat(width=1):
        return "BINARY"
    return f"{'INT' if fmt.signed else 'UINT'}{fmt.width}"


def _format(values: np.ndarray) -> IntFormat:
    """Smallest signed format of weights, at least 2 bits: QONNX reads 1 signed bit as -1 or 1."""
    low, high = min(int(values.min()), -1), max(int(values.max()), 0)
    return IntFormat(width=max(2, IntFormat.holding(low, high).width), signed=True)


def codebook_function() -> Any:
    """`Codebook(codes, table) = Gather(table, Cast<int32>(codes))`, for engines without it."""
    nodes = [
        helper.make_node("Cast", ["codes"], ["index"], to=6),
        helper.make_node("Gather", ["table", "index"], ["levels"]),
    ]
    return helper.make_function(
        DOMAIN, "Codebook", ["codes", "table"], ["levels"], nodes,
        [helper.make_opsetid("", OPSET)], attributes=["width"],
    )  # fmt: skip


def qonnx_model(program: Program, batch: int | str = 1) -> Any:
    """The program as a QONNX ModelProto; batch: images per run (qonnx needs all shapes)."""
    dialect = Qonnx(program, batch)
    model = walk.model(dialect, domains=(QONNX_DOMAIN, DOMAIN), functions=(codebook_function(),))
    model.graph.quantization_annotation.extend(dialect.notes())
    return model


def execute(wrapper: Any, images: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor that qonnx computes of `images` (batch, C, H, W). wrapper: with all shapes.

    qonnx writes a model of one node for ONNX Runtime in the newest version that onnx knows, which
    ONNX Runtime may refuse: here it is the version of the file.
    """
    from qonnx.core import onnx_exec
    from qonnx.util.basic import qonnx_make_model

    onnx_exec.qonnx_make_model = partial(qonnx_make_model, ir_version=IR_VERSION)
    found: dict[str, np.ndarray] = onnx_exec.execute_onnx(
        wrapper, {INPUT: images}, return_full_exec_context=True
    )
    return found
