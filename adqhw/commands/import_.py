"""`adqhw import`: a file of another system becomes an integer program."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never

import typer

from ..console import JSON_OPTION, emit, people, say, show_table
from ..exchange.dialects import DIALECTS, import_model
from ..spec.activation import Threshold
from ..spec.host.files import atomic_path
from ..spec.program import INPUT, Program
from ..spec.program_file import save
from ..spec.requant import Requant

if TYPE_CHECKING:
    from ..exchange.imported import Imported


def command(
    file: Annotated[Path, typer.Argument(help="ONNX or TFLite file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Program file (.safetensors).")],
    dialect: Annotated[str, typer.Option(help=f"Whose bits are meant: {', '.join(DIALECTS)}.")],
    input_format: Annotated[
        str | None,
        typer.Option(help="Format of the input's codes, e.g. u8, where the file has none."),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Write the integer program of an ONNX, QONNX or TFLite file.

    The same file gives other bits in other engines, so --dialect names the one that is meant; the
    program computes what that engine computes, code for code. What cannot be said so is refused
    with the node's name.

    Example: adqhw import network.onnx -o network.safetensors --dialect deeploy
    """
    with atomic_path(out) as temporary:  # first: refuses an unwritable output
        with people.status("reading the file"):
            imported = import_model(file, dialect, input_format=input_format)
        save(imported.program, temporary)
    record = describe(imported, out)
    if as_json:
        emit(record)
        return
    _show(record)


def describe(imported: "Imported", out: Path) -> dict[str, Any]:
    """The JSON record of `adqhw import`."""
    program = imported.program
    source, result = imported.tensors[INPUT], imported.origins[-1]
    return {
        "program": str(out),
        "dialect": imported.dialect,
        "digest": program.digest,
        "layers": [
            {
                "name": layer.name,
                "kind": str(layer.kind),
                "stage": _stage(layer.output),
                "format": program.tensor_format(layer.name).name,
                "file_tensor": imported.tensors[layer.name].file_tensor
                if layer.name in imported.tensors
                else None,
            }
            for layer in program.layers
        ],
        "stages": _stages(program),
        "input": {
            "file_tensor": source.file_tensor,
            "shape": list(source.shape),
            "format": source.quantization.format.name,
            "scale": source.quantization.scale,
            "zero_point": source.quantization.zero_point,
            "offset": source.offset,
            "encoding": _encoding(imported),
        },
        "result": {
            "file_tensor": result.file_tensor,
            "shape": list(result.shape),
            "format": result.quantization.format.name,
            "scale": result.quantization.scale,
            "zero_point": result.quantization.zero_point,
            "offset": result.offset,
            "scaling": None if imported.scaling is None else imported.scaling.record(),
        },
        "dropped": list(imported.dropped),
    }


def _stage(output: Requant | Threshold | None) -> str | None:
    match output:
        case Requant():
            return "requant"
        case Threshold():
            return "threshold"
        case None:
            return None
        case _:
            assert_never(output)


def _stages(program: Program) -> dict[str, int]:
    """How many layers end in which stage."""
    found = [_stage(layer.output) for layer in program.layers]
    return {"requant": found.count("requant"), "threshold": found.count("threshold")}


def _encoding(imported: "Imported") -> str:
    """How an input becomes the program's codes, in words."""
    source = imported.tensors[INPUT]
    if imported.encoder is not None:
        text = imported.encoder.text
    elif source.quantization.scale == 1.0 and source.quantization.zero_point == 0:
        text = "integers"
    else:
        halves = {"even": "halves to even", "away": "halves from zero"}[imported.rounding]
        text = (
            f"round(x / {source.quantization.scale:.9g}) + {source.quantization.zero_point}, "
            f"{halves}, saturated to {source.quantization.format.name}"
        )
    return text if not source.offset else f"{text}; program code = that - ({source.offset})"


def _show(record: dict[str, Any]) -> None:
    rows = [
        (x["name"], x["kind"], x["stage"] or "-", x["format"], x["file_tensor"] or "-")
        for x in record["layers"]
    ]
    show_table(
        f"{record['program']}, dialect {record['dialect']}",
        ("layer", "kind", "stage", "codes", "tensor of the file"),
        rows,
    )
    stages = record["stages"]
    say(
        f"{len(rows)} layers: {stages['requant']} end in a requant, "
        f"{stages['threshold']} in thresholds"
    )
    source, result = record["input"], record["result"]
    say(f"input {source['file_tensor']} {tuple(source['shape'])}: {source['encoding']}")
    scaling = result["scaling"]
    if scaling is None:
        text = f"real = {result['scale']:.9g} * (code - {result['zero_point']})"
        if result["offset"]:
            text += f", code = program code + ({result['offset']})"
    else:
        text = "real = scale * code + offset of each channel (--json has them)"
    say(f"result {result['file_tensor']} {tuple(result['shape'])}: {text}")
    for dropped in record["dropped"]:
        say(f"left out: {dropped}")
    say(f"wrote {record['program']}, digest {record['digest']}")
