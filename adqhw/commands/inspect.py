"""`adqhw inspect`: contents of a program."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import JSON_OPTION, emit, say, show_table
from ..spec.layers import Layer, MacLayer
from ..spec.program import Program
from ..spec.program_file import load


def command(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Layers, widths, bits, MACs, accumulator bounds and digest of a program.

    Example: adqhw inspect runs/demo/program.safetensors
    """
    loaded = load(program)
    record = describe(loaded)
    if as_json:
        emit(record)
        return
    columns = ("layer", "kind", "output", "macs", "weight_width", "levels", "act_width",
               "acc_width", "acc low", "acc high")  # fmt: skip
    rows = [
        (x["name"], x["kind"], "x".join(map(str, x["shape"])) + " " + x["format"], x["macs"],
         x["weight_width"], x["levels"], x["act_width"], x["acc_width"], *x["acc_bounds"])
        for x in record["layers"]
    ]  # fmt: skip
    show_table(f"{program} (contract version {record['contract_version']})", columns, rows)
    say(f"digest {record['digest']}")
    say(
        f"{record['parameters']:,} weights, {record['average_weight_bits'] or 0:.3f} average bits "
        f"over the codebook layers, {record['average_weight_bits_all']:.3f} over all; "
        f"{record['macs']:,} MACs per image"
    )
    for key, value in sorted(record["provenance"].items()):
        say(f"{key}: {value}")


def describe(program: Program) -> dict[str, Any]:
    """The JSON record of `adqhw inspect`."""
    macs = program.mac_layers
    parameters = sum(layer.weights.size for layer in macs)
    bits = sum(layer.weights.size * layer.weight_width for layer in macs)
    has_codebooks = any(layer.codebook is not None for layer in macs)
    return {
        "digest": program.digest,
        "contract_version": program.version,
        "input": {"shape": list(program.input_shape), "format": program.input_format.name},
        "average_weight_bits": program.average_weight_bits if has_codebooks else None,
        "average_weight_bits_all": bits / parameters if parameters else 0.0,
        "parameters": parameters,
        "macs": sum(program.macs(layer.name) for layer in macs),
        "layers": [_describe_layer(program, layer) for layer in program.layers],
        "provenance": dict(program.provenance),
    }


def _describe_layer(program: Program, layer: Layer) -> dict[str, Any]:
    mac = layer if isinstance(layer, MacLayer) else None
    codebook = mac.codebook if mac else None
    return {
        "name": layer.name,
        "kind": str(layer.kind),
        "input": layer.input,
        "shape": list(program.tensor_shape(layer.name)),
        "format": program.tensor_format(layer.name).name,
        "macs": program.macs(layer.name),
        "weight_width": mac.weight_width if mac else None,
        "levels": len(set(codebook.levels)) if codebook else None,
        "act_width": program.tensor_format(layer.input).width,
        "acc_width": program.acc_width(layer.name),
        "acc_bounds": list(program.acc_bounds(layer.name)),
    }
