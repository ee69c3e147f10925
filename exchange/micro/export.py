"""The TFLite file of a program, plain or with weights as indices of lookup tables."""

import warnings
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.program import Program
from .program import MicroWriter

_MAX_BITS = 7
"""Widest index that TFLite-Micro decodes."""
_HEADER = 16
"""Bytes before the tables."""


def micro_file(program: Program) -> tuple[bytes, dict[str, Any]]:
    """The file and what is in it. Refuses a program that TFLite-Micro does not compute."""
    writer = MicroWriter(program=program)
    data = writer.bytes()
    return data, _facts(writer)


def compressed_micro_file(program: Program) -> tuple[bytes, dict[str, Any]]:
    """The same with lookup tables where these make a layer's weights smaller.

    Only TFLite-Micro runs it (its operator TFLM_DECODE); made by TFLite-Micro's own compressor.
    """
    compression = _compression()
    writer = MicroWriter(program=program)
    data = writer.bytes()
    specs = compression.SpecBuilder()
    weights = before = after = 0
    for index, values in writer.file.weights.items():
        mode, bits, size = _smallest(values)
        before += values.size
        after += min(size, values.size)
        if size < values.size:
            weights += 1
            specs.add_tensor(subgraph=0, tensor=index).with_lut(
                index_bitwidth=bits, mode=_mode(compression, mode)
            )
    facts = _facts(writer) | {"uncompressed_bytes": len(data), "compressed_tensors": weights}
    facts |= {"weight_bytes": before, "compressed_weight_bytes": after}
    if not weights:
        return data, facts
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        return bytes(compression.compress(data, specs.build())), facts


def _facts(writer: MicroWriter) -> dict[str, Any]:
    names = [operator.name for operator in writer.file.operators]
    return {"operators": len(names), "output": writer.program.layers[-1].name}


def _compression() -> Any:
    try:
        from tflite_micro import compression  # an extra: a development build, for this format only
    except ImportError as error:
        raise InputError(
            "Package 'tflite_micro' must be installed to compress weights: "
            "pip install adqhw[compression]"
        ) from error
    return compression


def _smallest(values: npt.NDArray[np.int8]) -> tuple[int | None, int, int]:
    """Axis of the tables (None: one table), bits of an index, bytes; 0 bits: too many values."""
    found: list[tuple[int, int | None, int]] = []
    depthwise = values.shape[0] == 1 and values.ndim == 4
    for axis in (None, values.ndim - 1 if depthwise else 0):
        rows = [values] if axis is None else list(np.moveaxis(values, axis, 0))
        longest = max(len(np.unique(row)) for row in rows)
        bits = max((longest - 1).bit_length(), 1)
        if bits <= _MAX_BITS:
            size = -(-values.size * bits // 8) + _HEADER + longest * len(rows)
            found.append((size, axis, bits))
    if not found:
        return None, 0, values.size
    size, axis, bits = min(found, key=lambda entry: entry[0])
    return axis, bits, size


def _mode(compression: Any, axis: int | None) -> Any:
    """The compressor's way of saying on which axis tables lie."""
    spec = compression.spec
    return spec.PerTensor() if axis is None else spec.PerChannel(axis=axis)
