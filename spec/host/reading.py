"""Text, TOML and JSON files read within bounds: what cannot be read is one line, always.

Sizes are checked before a file is read (`MAX_TEXT_BYTES`, less for TOML, whose parser takes a
second per megabyte). The parser's own limits - depth of nesting, digits of an integer - are bad
input like every other syntax error.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import InputError
from .limits import MAX_TEXT_BYTES
from .strict_json import strict_loads
from .text import one_line, printable, shown

MAX_TOML_BYTES = 1 << 20
MAX_JSON_BYTES = 8 << 20
"""Manifests, cost tables, cases of reproducers: values take some twenty times their text."""
LONGEST_KEY = 4096
"""Characters of a key that is compared with the known ones."""
LEAST, MOST = 1e-30, 1e30
"""Positive numbers of files: products of a few of them and a count stay finite and above 0."""


def read_text(path: str | Path, what: str, most: int = MAX_TEXT_BYTES) -> str:
    """The UTF-8 text of a file, without a byte order mark; at most `most` bytes of it are read."""
    data, name = read_bytes(path, what, most), printable(str(path))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} must be UTF-8 text, '{name}' is not: {error}") from error


def read_bytes(path: str | Path, what: str, most: int = MAX_TEXT_BYTES) -> bytes:
    """A file's bytes; refused beyond `most`, before more than that is read."""
    file, name = Path(path), printable(str(path))
    try:
        if not file.is_file():  # nor a folder, a device or a pipe
            raise InputError(f"{what} must be a file, not '{name}'")
        with file.open("rb") as stream:
            data = stream.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what} must be readable, '{name}' is not: {error}") from error
    if len(data) > most:
        raise InputError(f"{what} must have at most {most:,} bytes, '{name}' has more")
    return data


def read_json(path: str | Path, what: str) -> dict[str, Any]:
    """The object of a JSON file: finite numbers, each key once, `MAX_DEPTH` levels at most."""
    where = f"{what} '{printable(str(path))}'"
    value = strict_loads(read_text(path, what, MAX_JSON_BYTES), where)
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a JSON object, not {shown(value)}")
    return value


def read_toml(path: str | Path, what: str) -> dict[str, Any]:
    """The tables of a TOML file."""
    text = read_text(path, what, MAX_TOML_BYTES)
    return parse_toml(text, f"{what} '{printable(str(path))}'")


def parse_toml(text: str, what: str) -> dict[str, Any]:
    """The tables of a TOML text; `what` names it in messages."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{what} must be TOML with less nesting") from None
    except ValueError as error:  # TOMLDecodeError, and an integer of more digits than int() takes
        raise InputError(f"{what} must be TOML: {one_line(error)}") from error


def exact_keys(
    value: object,
    required: Collection[str],
    what: str,
    *,
    optional: Collection[str] = (),
    kind: str = "a table",
    lacking: str = "must have {key}",
    unknown: str = "must have no unknown key, not {key}",
) -> dict[str, Any]:
    """`value` as a table with all `required` keys and, beside them, only `optional` ones.

    lacking, unknown: what the message says of a `{key}`, and of all that are `{known}`.
    """
    known = dict.fromkeys([*required, *optional])
    keys = ", ".join(known)
    if not isinstance(value, dict):
        names = f" with {', '.join(required)}" if required else ""
        raise InputError(f"{what} must be {kind}{names}, not {shown(value)}")
    for key in required:
        if key not in value:
            raise InputError(f"{what} {lacking.format(key=repr(key), known=keys)}")
    for key in value:
        if key not in known:
            text = unknown.format(key=shown(key), known=keys)
            raise InputError(f"{what} {text}{near_key(key, known)}")
    return value


def exact_fields(value: object, cls: type, what: str, **wording: str) -> dict[str, Any]:
    """`exact_keys` for a dataclass: fields without a default are required."""
    fields = dataclasses.fields(cls)
    absent = (dataclasses.MISSING, dataclasses.MISSING)
    required = [f.name for f in fields if (f.default, f.default_factory) == absent]
    return exact_keys(value, required, what, optional=[f.name for f in fields], **wording)


def near_key(key: object, known: Collection[str]) -> str:
    """End of a message about an unknown key."""
    if not isinstance(key, str) or len(key) > LONGEST_KEY:
        return ""
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def positive_number(value: object, what: str) -> float:
    """A number of a file as a float in `LEAST`..`MOST`; integers of any length are compared."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if LEAST <= value <= MOST:
            return float(value)
        if 0 < value < float("inf"):
            raise InputError(f"{what} must be in {LEAST:g}..{MOST:g}, not {shown(value)}")
    raise InputError(f"{what} must be a positive finite number, not {shown(value)}")
