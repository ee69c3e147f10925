"""Dialects of foreign files: whose arithmetic a program reproduces, and what reads it.

The same file gives other bits in other engines, so the caller names the engine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.errors import InputError
from ..spec.formats import IntFormat
from ..spec.host.text import shown

if TYPE_CHECKING:
    from .imported import Imported
    from .onnx.graph import Graph

MARKS: Mapping[str, tuple[str, ...]] = {
    "deeploy": ("RequantShift",),
    "qonnx": ("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc"),
    "onnxruntime": (
        "QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm",
        "QLinearAdd", "ConvInteger", "MatMulInteger",
    ),
}  # fmt: skip
"""Operators by which the dialect of an ONNX file is known."""

_FLATBUFFER, _TFLITE = slice(4, 8), b"TFL3"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """An engine whose bits are meant. what: one line for people."""

    name: str
    what: str
    read: "Callable[[Path, IntFormat | None], Imported]"
    tflite: bool = False


def _onnx(name: str) -> "Callable[[Path, IntFormat | None], Imported]":
    def read(path: Path, form: IntFormat | None) -> "Imported":
        from .onnx import deeploy, graph
        from .onnxruntime.reader import read_onnxruntime
        from .qonnx.reader import read_qonnx

        readers = {
            "deeploy": deeploy.read_deeploy,
            "qonnx": read_qonnx,
            "onnxruntime": read_onnxruntime,
        }
        found = graph.read(path)
        _check_marks(path, found, name)
        return readers[name](found, form)

    return read


def _tflite(name: str) -> "Callable[[Path, IntFormat | None], Imported]":
    def read(path: Path, form: IntFormat | None) -> "Imported":
        from .tflite.importer import import_tflite

        if form is not None:
            raise InputError(
                f"Input format must be left to {shown(str(path))}, which has one, not {form.name}"
            )
        return import_tflite(path, name)

    return read


DIALECTS: Mapping[str, Dialect] = {
    x.name: x
    for x in (
        Dialect(name="deeploy", what="integer ONNX with RequantShift", read=_onnx("deeploy")),
        Dialect(name="qonnx", what="QONNX, as qonnx executes it", read=_onnx("qonnx")),
        Dialect(
            name="onnxruntime",
            what="QDQ and QOperator ONNX, as ONNX Runtime's CPU provider executes it fused",
            read=_onnx("onnxruntime"),
        ),
        Dialect(
            name="tflite-reference",
            what="TFLite int8 or uint8, as LiteRT's reference kernels",
            read=_tflite("tflite-reference"),
            tflite=True,
        ),
        Dialect(
            name="tflite-micro",
            what="TFLite int8, as TFLite-Micro's reference kernels",
            read=_tflite("tflite-micro"),
            tflite=True,
        ),
    )
}
"""Every dialect by its name."""


def import_model(
    path: str | Path, dialect: str, *, input_format: IntFormat | str | None = None
) -> "Imported":
    """The program of a foreign file, with the bits of the engine that `dialect` names.

    input_format: of the input's codes ("u8", "s8", ...), where the file itself has none. Raises
    `InputError` for what cannot be represented, with the node, and what would be accepted.

    >>> imported = import_model("tests/vectors/imported/tiny_deeploy.onnx", "deeploy")
    >>> [(layer.name, layer.kind.value) for layer in imported.program.layers]
    [('output', 'conv')]
    """
    file = Path(path)
    if dialect not in DIALECTS:
        raise InputError(f"Dialect must be one of {', '.join(DIALECTS)}, not {shown(dialect)}")
    form = IntFormat.parse(input_format) if isinstance(input_format, str) else input_format
    _check_kind(file, DIALECTS[dialect])
    return DIALECTS[dialect].read(file, form)


def _check_kind(path: Path, dialect: Dialect) -> None:
    """Refuse a TFLite file for a dialect of ONNX files, and the other way round."""
    if not path.is_file():
        raise InputError(f"Model file {shown(str(path))} must be a file, not absent")
    with path.open("rb") as file:
        tflite = file.read(8)[_FLATBUFFER] == _TFLITE
    if tflite != dialect.tflite:
        fitting = [x.name for x in DIALECTS.values() if x.tflite == tflite]
        kind = "a TFLite file" if tflite else "not a TFLite file"
        raise InputError(
            f"Dialect of {shown(str(path))} must be one of {', '.join(fitting) or 'no dialect'} "
            f"(it is {kind}), not {dialect.name}"
        )


def _check_marks(path: Path, graph: "Graph", name: str) -> None:
    """Refuse a file of another dialect, and a network whose weights are not quantized."""
    present = graph.operators()
    fitting = [x for x, marks in MARKS.items() if present & set(marks)]
    if name in fitting:
        return
    if fitting:
        mark = sorted(present & set(MARKS[fitting[0]]))[0]
        raise InputError(
            f"Dialect of {shown(str(path))} must be {fitting[0]} (it has {mark} nodes), not {name}"
        )
    if present & {"Conv", "Gemm", "MatMul"}:
        raise InputError(
            f"ONNX file {shown(str(path))} must be quantized, not a float network: make a program "
            f"of it with `adqhw calibrate` or `adqhw.quantize`"
        )
