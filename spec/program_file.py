"""Program files: one `.safetensors` with tensors and one JSON header (contract section 9)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from .coding.contents import canonical, sha256
from .coding.layer_codec import Tensors, decode_layer, take
from .errors import ContractError, InputError
from .formats import IntFormat
from .host.files import write_file
from .host.limits import demand
from .host.strict_json import strict_loads
from .host.text import printable, shown
from .program import CONTRACT_VERSION, Program

HEADER = "adqhw_program"


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A program as a file. Two equal programs give equal bytes."""

    header: dict[str, Any]
    tensors: Tensors
    digest: str
    """SHA-256 of what the program computes: contract version, input, layers, tensors."""
    checksum: str
    """SHA-256 of all of that and the provenance: guards the file against flipped bits."""


def encode(program: Program) -> Encoded:
    """Header and tensors of `program`."""
    made = program.contents()
    header = {**made.header, "provenance": _json_copy(program.provenance)}
    return Encoded(
        header=header, tensors=made.tensors, digest=made.digest,
        checksum=sha256(header, made.tensors),
    )  # fmt: skip


def to_bytes(program: Program) -> bytes:
    """The file of `program`: equal programs give equal bytes."""
    encoded = encode(program)
    header = {**encoded.header, "digest": encoded.digest, "checksum": encoded.checksum}
    return save_safetensors(encoded.tensors, metadata={HEADER: canonical(header)})


def from_bytes(data: bytes) -> Program:
    """The program of a file's bytes, validated like a file."""
    try:
        tensors = load_safetensors(data)  # checks the bytes as a whole
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"Program must be the bytes of a safetensors file: {printable(str(error))}"
        ) from error
    return _decode(_header(metadata, "Program"), tensors, "Program")


def save(program: Program, path: str | Path) -> None:
    """Write `program` to `path` atomically."""
    write_file(path, to_bytes(program))


def load(path: str | Path) -> Program:
    """Read and validate a program; anything unexpected is refused with the reason."""
    header, tensors = _read(Path(path))
    return _decode(header, tensors, str(path))


def _unsealed(header: dict[str, Any], tensors: Tensors, path: str) -> dict[str, Any]:
    """Fields of a header whose version, checksum and digest are right, without the first two."""
    fields = dict(header)
    version = fields.get("contract_version")
    if type(version) is not int or not 1 <= version <= CONTRACT_VERSION:
        raise ContractError(
            f"Program contract_version must be in 1..{CONTRACT_VERSION}, not {shown(version)}: "
            f"{path} was written by another version of adqhw; export it again"
        )
    digest = take(fields, "digest", str, "Program file")
    checksum = take(fields, "checksum", str, "Program file")
    if sha256(fields, tensors) != checksum:
        raise ContractError(f"Program file must match its checksum, {path} is damaged")
    provenance = take(fields, "provenance", dict, "Program file")
    if sha256(fields, tensors) != digest:
        raise ContractError(f"Program file must match its digest, {path} is damaged")
    take(fields, "contract_version", int, "Program file")
    return {**fields, "provenance": provenance, "digest": digest}


def _decode(header: dict[str, Any], tensors: Tensors, path: str) -> Program:
    fields = _unsealed(header, tensors, path)
    digest = take(fields, "digest", str, "Program file")
    provenance = take(fields, "provenance", dict, "Program file")
    shape = take(fields, "input_shape", list, "Program file")
    input_format = take(fields, "input_format", str, "Program file")
    layers = take(fields, "layers", list, "Program file")
    _refuse_leftovers(fields, "Program file: field")
    if not all(type(size) is int for size in shape):
        raise ContractError(f"Program input_shape must hold integers, not {shown(shape)}")
    _demand_weights(layers)
    unread = dict(tensors)
    program = Program(
        input_shape=tuple(shape),
        input_format=IntFormat.parse(input_format),
        layers=tuple(decode_layer(layer, unread) for layer in layers),
        provenance=provenance,
    )
    _refuse_leftovers(unread, "Program file: tensor")
    if program.version != header["contract_version"]:
        raise ContractError(
            f"Program contract_version must be {program.version}, the lowest that its layers need, "
            f"not {shown(header['contract_version'])}"
        )
    object.__setattr__(program, "digest", digest)  # verified above: not computed again
    return program


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    if not path.is_file():
        raise InputError(f"Program must be a file, not {str(path)!r}")
    demand(2 * path.stat().st_size, f"Program file {path}")
    try:
        with safe_open(path, framework="numpy") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in sorted(stream.keys())}
    except (SafetensorError, OSError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"Program must be a safetensors file, {path} is not: {printable(str(error))}"
        ) from error
    return _header(metadata, str(path)), tensors


def _header(metadata: Mapping[str, str], path: str) -> dict[str, Any]:
    if set(metadata) != {HEADER}:
        raise InputError(
            f"Program must carry the header {HEADER!r}, {path} has "
            f"{printable(', '.join(sorted(metadata))) or 'none'}"
        )
    header = strict_loads(metadata[HEADER], "Program header")
    if not isinstance(header, dict):
        raise ContractError(f"Program header must be a JSON object, not {type(header).__name__}")
    return header


def _demand_weights(layers: list[Any]) -> None:
    """Refuse decoded weights beyond the memory budget: 2 bits of a file become 26 bytes."""
    shapes = [layer.get("weights_shape") for layer in layers if isinstance(layer, dict)]
    counts = [prod(s) for s in shapes if isinstance(s, list) and all(type(n) is int for n in s)]
    if counts:
        held, most = 9 * sum(counts), 17 * max(counts)  # levels and codes; while unpacking
        demand(held + most, "Weights of a program")


def _json_copy(value: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON data, or a message naming the problem."""
    try:
        return dict(strict_loads(canonical(value), "Provenance"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractError(f"Provenance must be JSON data: {error}") from error


def _refuse_leftovers(fields: Mapping[str, Any], what: str) -> None:
    if fields:
        raise ContractError(f"{what} must be a known one, not {shown(min(fields))}")
