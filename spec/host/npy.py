"""Reading `.npy` and `.npz` files of numbers: headers and sizes are checked before data is read.

`np.load` evaluates what it finds and ends in a dozen kinds of exceptions; a header may ask for any
amount of memory. Format: numpy.lib.format, versions 1 to 3.
"""

import ast
import re
import warnings
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .limits import demand
from .text import one_line, printable, shown

_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 1 << 12
_MOST_AXES = 32
_DTYPE = re.compile(r"[<>=|][biufc][0-9]{1,2}")
"""Plain numbers: no objects, records, texts or dates."""
_ZIP_ERRORS = (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile,
               zlib.error)  # fmt: skip
"""Torn or encrypted archives, unknown ways to pack, names that are no text."""


def read_npy(path: Path) -> npt.NDArray[Any]:
    """The one array of numbers in file `path`, of any shape; anything else is refused."""
    if not path.is_file():
        raise InputError(f"Input must be a .npy file, not {str(path)!r}")
    with path.open("rb") as stream:
        return _read(stream, path.stat().st_size, path)


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an `.npz` by name; together within the memory budget, unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            demand(sum(member.file_size for member in members), f"Input {path}, unpacked,")
            arrays = {}
            for member in members:
                with archive.open(member) as stream:
                    name = member.filename.removesuffix(".npy")
                    arrays[name] = _read(stream, member.file_size, path)
            return arrays
    except InputError:
        raise
    except _ZIP_ERRORS as error:
        raise InputError(f"Input must be an .npz file, {path} is not: {one_line(error)}") from error


def _read(stream: IO[bytes], size: int, path: Path) -> npt.NDArray[Any]:
    """The array that a stream of `size` bytes holds, and nothing else."""
    dtype, shape, columns = _header(stream, path)
    wanted = prod(shape) * dtype.itemsize
    stored = size - stream.tell()
    if stored != wanted:
        raise _refused(path, f"it holds {stored} bytes for {shown(shape)} of {dtype}")
    demand(wanted, f"Input {path}")
    data = stream.read(wanted)
    if len(data) != wanted:  # it changed while it was read
        raise _refused(path, "it ends early")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if columns else "C")


def _header(stream: IO[bytes], path: Path) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    magic = stream.read(8)
    if magic[:6] != _MAGIC or magic[6:] not in (b"\x01\0", b"\x02\0", b"\x03\0"):
        raise _refused(path, "it does not begin like one")
    size = int.from_bytes(stream.read(2 if magic[6] == 1 else 4), "little")
    if size > _MOST_HEADER:
        raise _refused(path, f"its header has {size} bytes")
    try:
        text = stream.read(size).decode("latin-1" if magic[6] < 3 else "utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes and literals are refused further down
            fields = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise _refused(path, f"its header: {error}") from error
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise _refused(path, "its header has other fields")
    descr, columns, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    axes = isinstance(shape, tuple) and len(shape) <= _MOST_AXES
    if not axes or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise _refused(path, f"its shape is {shown(shape)}")
    if type(columns) is not bool:
        raise _refused(path, f"its fortran_order is {shown(columns)}")
    return _dtype(descr, path), shape, columns


def _dtype(descr: object, path: Path) -> np.dtype[Any]:
    if isinstance(descr, str) and _DTYPE.fullmatch(descr):
        try:
            return np.dtype(descr)
        except TypeError:  # `<i7`
            pass
    raise _refused(path, f"its type is {shown(descr)}")


def _refused(path: Path, why: str) -> InputError:
    return InputError(f"Input must be a .npy file of integers, {path} is not: {printable(why)}")
