"""The TFLite file of a program, plain or with weights as indices of lookup tables."""

import warnings
from contextlib import redirect_stderr
from io import StringIO
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.host.text import printable
from ...spec.program import Program
from .program import MicroWriter

_MAX_BITS = 7
"""Widest index that TFLite-Micro decodes."""
_HEADER = 16
"""Bytes before the tables."""
_ARENA = 1 << 20
"""Bytes of the interpreter beside those of its tensors."""


def micro_file(program: Program) -> tuple[bytes, dict[str, Any]]:
    """The file and what is in it. Refuses a program that TFLite-Micro does not compute."""
    writer = MicroWriter(program=program)
    data = writer.bytes()
    return data, _facts(writer)


def compressed_micro_file(program: Program) -> tuple[bytes, dict[str, Any]]:
    """The same with lookup tables where these make a layer's weights smaller.

    Only TFLite-Micro runs it (its operator TFLM_DECODE); made by TFLite-Micro's own compressor, run
    once in its interpreter and compared with the file without tables.
    """
    micro = _micro()
    writer = MicroWriter(program=program)
    data = writer.bytes()
    specs = micro.compression.SpecBuilder()
    weights = before = after = 0
    for index, values in writer.file.weights.items():
        axis = writer.file.tensors[index].table_axis
        bits, size = _tables(values, axis)
        before += values.size
        after += min(size, values.size)
        if size < values.size:
            weights += 1
            specs.add_tensor(subgraph=0, tensor=index).with_lut(
                index_bitwidth=bits, mode=_mode(micro.compression, axis)
            )
    facts = _facts(writer) | {"uncompressed_bytes": len(data), "compressed_tensors": weights}
    facts |= {"weight_bytes": before, "compressed_weight_bytes": after}
    if not weights:
        return data, facts
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        made = bytes(micro.compression.compress(data, specs.build()))
    _compare(micro, writer, data, made)
    return made, facts


def _compare(micro: Any, writer: MicroWriter, plain: bytes, made: bytes) -> None:
    """Run both files on one random input: builds of the interpreter decode differently."""
    channels, height, width = writer.program.input_shape
    codes = np.random.default_rng(0).integers(-128, 128, (1, height, width, channels))
    sizes = [prod(writer.program.tensor_shape(name)) for name in writer.program.tensors]
    arena = _ARENA + 4 * sum(sizes) + 8 * max(v.size for v in writer.file.weights.values())
    demand(arena, "Tensors of TFLite-Micro's interpreter")
    results = []
    for data in (plain, made):
        engine = micro.runtime.Interpreter.from_bytes(data, arena_size=arena)
        engine.set_input(codes.astype(np.int8), 0)
        engine.invoke()
        results.append(engine.get_output(0))
    if not np.array_equal(*results):
        raise InputError(
            f"TFLite-Micro {printable(micro.__version__)} must decode its lookup tables to the "
            "weights, not to others; write the format tflite-micro"
        )


def _facts(writer: MicroWriter) -> dict[str, Any]:
    names = [operator.name for operator in writer.file.operators]
    return {"operators": len(names), "output": writer.program.layers[-1].name}


def _micro() -> Any:
    try:
        import tflite_micro  # an extra: a development build, for this format only
    except ImportError as error:
        raise InputError(
            "Package 'tflite_micro' must be installed to compress weights: "
            "pip install adqhw[compression]"
        ) from error
    return tflite_micro


def _tables(values: npt.NDArray[np.int8], axis: int | None) -> tuple[int, int]:
    """Bits of an index and bytes of all, with a table for each slice along `axis`, or one."""
    rows = [values] if axis is None else list(np.moveaxis(values, axis, 0))
    longest = max(len(np.unique(row)) for row in rows)
    bits = max((longest - 1).bit_length(), 1)
    size = -(-values.size * bits // 8) + _HEADER + longest * len(rows)
    return bits, size if bits <= _MAX_BITS else values.size


def _mode(compression: Any, axis: int | None) -> Any:
    """The compressor's way of saying on which axis tables lie."""
    spec = compression.spec
    return spec.PerTensor() if axis is None else spec.PerChannel(axis=axis)
