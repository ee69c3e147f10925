"""Tensors of a weights file: safetensors, or a torch file read without running any code of it.

A .pth, .pt or .ckpt is unpickled by torch's own restricted reader (`weights_only=True`) and by no
other. Its archive must be stored without compression, as torch writes it, so that a file never
unpacks to more than its own size; a tensor that claims more values than it stores is refused.
"""

import argparse
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.host.text import printable
from .state_dicts import state_dict, with_prefix

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_BROKEN = (
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    RecursionError,
    MemoryError,
    ImportError,
    NotImplementedError,
    struct.error,
)
"""Exceptions of torch's reader on damaged files, beside UnpicklingError."""


def read_tensors(
    path: str | Path, part: str | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, and the metadata of a safetensors file ({} for a torch file).

    part: of a file with several sets of weights, the one that is meant (`state_dicts`).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"File {str(path)!r} must exist, not be missing")
    demand(path.stat().st_size, f"Weights file {str(path)!r}")
    try:
        with path.open("rb") as stream:
            begin = stream.read(9)
    except OSError as error:
        raise InputError(f"File {str(path)!r} must be readable: {error.strerror}") from error
    if begin[8:] != b"{" and begin.startswith((_ZIP, _PICKLE)):  # safetensors: length, then JSON
        if begin.startswith(_ZIP):
            _check_archive(path)
        return _torch_state(path, part), {}
    tensors, metadata = _safetensors(path)
    if part is not None:
        tensors = with_prefix(tensors, part, f"file {str(path)!r}")
    return tensors, metadata


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file; {} for any other file."""
    try:
        with safe_open(path, framework="pt") as stream:
            return dict(stream.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as stream:
            names = stream.keys()
            return {n: stream.get_tensor(n) for n in names}, dict(stream.metadata() or {})
    except (SafetensorError, OSError, KeyError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"File {str(path)!r} must be a whole safetensors or torch file, not one that fails "
            f"with: {printable(str(error))}"
        ) from error


def _check_archive(path: Path) -> None:
    """Refuse archives that torch does not write: compressed members, sizes beyond the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"Torch file {str(path)!r} must be whole, not: {error}") from error
    packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise InputError(
            f"Torch file {str(path)!r} must have stored members, not the compressed "
            f"{printable(packed[0])!r}"
        )
    if sum(m.file_size for m in members) > path.stat().st_size:
        raise InputError(f"Torch file {str(path)!r} must not hold more than its own size")


def _torch_state(path: Path, part: str | None) -> dict[str, Tensor]:
    what = f"Torch file {str(path)!r}"
    try:
        # options of a command line, which trainers keep beside the weights: attributes, no code
        plain = torch.serialization.safe_globals([argparse.Namespace])
        with warnings.catch_warnings(), plain:
            # of other protocols and layouts: refused below or read
            warnings.simplefilter("ignore")
            record = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{what} must hold tensors and plain values only (torch.save(model.state_dict(), "
            f"FILE)), not {_refused(str(error))}"
        ) from error
    except _BROKEN as error:
        raise InputError(
            f"{what} must be whole, not one that fails with: {_brief(error)}"
        ) from error
    return _checked(state_dict(record, what, part), path.stat().st_size, what)


def _refused(text: str) -> str:
    """The error of torch's restricted reader, without its advice to read the file unsafely."""
    mark = "Unsupported global: GLOBAL "
    if mark in text:
        name = text.split(mark, 1)[1].split()[0]
        return f"the name {printable(name, 80)}, which could run code"
    last = text.split("WeightsUnpickler error:")[-1].strip().splitlines()
    return printable(last[0] if last else "a broken pickle", 120)


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return printable(lines[0] if lines else type(error).__name__, 160)


def _checked(tensors: dict[str, Tensor], size: int, what: str) -> dict[str, Tensor]:
    """Refuse tensors that are not plainly stored: on no device, sparse, expanded, quantized."""
    for name, tensor in tensors.items():
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or tensor.is_quantized or tensor.is_nested:
            raise InputError(f"{what} tensor {_name(name)} must be stored as plain numbers")
        if tensor.numel() * tensor.element_size() > size:
            raise InputError(
                f"{what} tensor {_name(name)} must be stored whole, not claim "
                f"{tuple(tensor.shape)} in a file of {size} bytes"
            )
    demand(sum(t.numel() * t.element_size() for t in tensors.values()), what)
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _name(name: str) -> str:
    return printable(repr(name), 100)
