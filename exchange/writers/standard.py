"""Standard ONNX: operators of the default domain only, integers in integer tensors.

Weights of a codebook are stored as its codes and its table, which `Gather` joins: one byte per
weight in the file. ONNX Runtime joins them once, when it loads the model.
"""

from typing import Any

import numpy as np

from ...spec.activation import Threshold
from ...spec.formats import IntFormat
from ...spec.layers import MacLayer
from ...spec.program import Program
from . import stages, walk
from .base import Dialect
from .graph import FLOAT, I8, I32, U8
from .parts import WeightPart

SMALL = 8
"""Widest codes (bits) in one byte; wider ones are int32."""


class Standard(Dialect):
    """Codes are uint8, int8 or int32 tensors, logits int32."""

    def code_type(self, name: str) -> int:
        fmt = self.program.tensor_format(name)
        return I32 if fmt.width > SMALL else I8 if fmt.signed else U8

    def weight(self, layer: MacLayer, part: WeightPart, label: str) -> str:
        graph, name = self.graph, layer.name
        if layer.codebook is None or part.share is not None:
            values = part.of(layer.levels)
            dtype = np.int8 if np.abs(values).max() < 1 << (SMALL - 1) else np.int16
            stored = graph.constant(f"{name}/levels{label}", values, dtype)
            return graph.cast(stored, FLOAT, f"{name}/weight{label}")
        codes = graph.constant(f"{name}/codes", layer.weights, np.uint8)
        index = graph.cast(codes, I32)
        levels = part.digits(np.asarray(layer.codebook.levels))
        table = graph.constant(f"{name}/table{label}", levels)
        return graph.add("Gather", [table, index], f"{name}/weight{label}")

    def thresholds(self, name: str, acc: str, stage: Threshold, bounds: tuple[int, int]) -> None:
        stages.count_thresholds(self, name, acc, stage, bounds)

    def read(self, name: str, source: str, stage: Threshold) -> None:
        fmt = self.program.tensor_format(source)
        if fmt.width <= SMALL:
            stages.look_up_thresholds(self, name, source, stage)
        else:
            self.thresholds(name, self.exact(source), stage, (fmt.min, fmt.max))

    def finish(self, name: str, value: str, out: IntFormat, *, saturates: bool) -> None:
        if saturates:
            value = self.clipped(name, value, out)
        self.graph.cast(value, self.code_type(name), name)

    def result(self, last: str, name: str) -> str:
        """The last tensor as (N, classes) int32."""
        return self.graph.add("Flatten", [self.graph.cast(last, I32)], name, axis=1)


def standard_model(program: Program) -> Any:
    """The program as a ModelProto of standard operators, with a batch axis of any size."""
    return walk.model(Standard(program))
