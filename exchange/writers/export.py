"""Export of a program: the file formats, and writing a file whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, assert_never

from ...spec.errors import InputError
from ...spec.host.files import atomic_path
from ...spec.host.text import shown
from ...spec.program import Program


class ExportFormat(StrEnum):
    """What is written."""

    ONNX = "onnx"
    QONNX = "qonnx"
    NPZ = "npz"
    TFLITE_MICRO = "tflite-micro"
    TFLITE_MICRO_LUT = "tflite-micro-lut"


SUFFIXES: Mapping[str, ExportFormat] = {
    ".onnx": ExportFormat.ONNX,
    ".npz": ExportFormat.NPZ,
    ".tflite": ExportFormat.TFLITE_MICRO,
}
"""The format that a file name stands for without a format of its own."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written. size: bytes of the file; facts: about its contents, for people and JSON."""

    format: ExportFormat
    size: int
    facts: Mapping[str, Any]


def export_format(path: str | Path, name: str | None = None) -> ExportFormat:
    """The format called `name`, or that of the file's suffix. Raises InputError for any other."""
    if name is not None:
        if name not in list(ExportFormat):
            raise InputError(f"Format must be one of {', '.join(ExportFormat)}, not {shown(name)}")
        return ExportFormat(name)
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        *first, last = SUFFIXES
        raise InputError(
            f"Output file must end in {', '.join(first)} or {last}, or --format must be given, "
            f"not {shown(str(path))}"
        )
    return SUFFIXES[suffix]


def export_program(program: Program, path: str | Path, *, format: str | None = None) -> Exported:
    """Write `program` for other engines, bit for bit the same integers.

    path: written whole or not at all. format: `onnx` (standard operators), `qonnx`, `npz`,
    `tflite-micro` (int8 TFLite) or `tflite-micro-lut` (the same, weights as indices of tables);
    None: by the suffix of `path`. Raises InputError for a format or a path that cannot be used, for
    a program too large for the format, and for one that TFLite-Micro does not compute.

    Source: the formats are described in docs/export.md.
    """
    kind = export_format(path, format)
    with atomic_path(path) as temporary:  # first: refuses an unwritable output
        content, facts = _content(program, kind)
        temporary.write_bytes(content)
    return Exported(format=kind, size=len(content), facts=facts)


def _content(program: Program, kind: ExportFormat) -> tuple[bytes, dict[str, Any]]:
    """The file's bytes, and what is in them."""
    match kind:
        case ExportFormat.NPZ:
            from .arrays import npz_file

            return npz_file(program), {}
        case ExportFormat.TFLITE_MICRO:
            from ..micro.export import micro_file

            return micro_file(program)
        case ExportFormat.TFLITE_MICRO_LUT:
            from ..micro.export import compressed_micro_file

            return compressed_micro_file(program)
        case ExportFormat.ONNX:
            from .graph import OPSET, serialized
            from .standard import standard_model

            model = standard_model(program)
        case ExportFormat.QONNX:
            from .graph import OPSET, serialized
            from .qonnx import qonnx_model

            model = qonnx_model(program)
        case _:
            assert_never(kind)
    facts = {"opset": OPSET, "nodes": len(model.graph.node), "output": model.graph.output[0].name}
    return serialized(model), facts
