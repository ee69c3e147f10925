"""Text forms of a config: JSON round trip, and `--set KEY=VALUE` changes with type checking."""

import dataclasses
import difflib
import json
import math
import types
import typing
from typing import Any, TypeVar

from ..spec.errors import InputError
from .config import Recipe

T = TypeVar("T")


def to_dict(config: object) -> dict[str, Any]:
    """Return the config as nested plain dictionaries, lists and scalars (ready for JSON)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]


def from_dict(kind: type[T], record: object, where: str = "") -> T:
    """Build the config `kind` from what JSON gave; unknown fields and wrong types are refused."""
    label = where or kind.__name__
    if not isinstance(record, dict):
        raise InputError(f"{label} must be an object with named fields, not {record!r}")
    hints = typing.get_type_hints(kind)
    for name in record:
        if name not in hints:
            raise InputError(
                f"{label} must have only known fields, not {name!r}{_hint(name, hints)}"
            )
    values = {n: _convert(hints[n], v, f"{where}.{n}".lstrip(".")) for n, v in record.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{label} must have all required fields: {error}") from error


def override(recipe: Recipe, assignments: list[str]) -> Recipe:
    """Return the recipe changed by `["optim.lr=0.02", ...]`: dotted field, `=`, value.

    Values read as JSON where the field is not a string: `true`, `3`, `0.02`, `null`, `[1, 2]`,
    `{"layer1.0.conv1": 3}`.
    """
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise InputError(f"--set must be KEY=VALUE, not {assignment!r}")
        recipe = _replace(recipe, key.strip().split("."), text.strip(), key.strip())
    return recipe


def _replace(config: T, path: list[str], text: str, key: str) -> T:
    hints = typing.get_type_hints(type(config))
    name, rest = path[0], path[1:]
    if name not in hints:
        raise InputError(f"--set must name a field of the recipe, not {key!r}{_hint(name, hints)}")
    nested = dataclasses.is_dataclass(hints[name])
    if nested and not rest:
        fields = ", ".join(f"{key}.{n}" for n in typing.get_type_hints(hints[name]))
        raise InputError(f"--set must name one field, not the group {key!r}; its fields: {fields}")
    if rest and not nested:
        raise InputError(f"--set must name a field of the recipe, not {key!r}: {name} has no parts")
    if nested:
        value = _replace(getattr(config, name), rest, text, key)
    else:
        value = _convert(hints[name], _parse(hints[name], text), key)
    return dataclasses.replace(config, **{name: value})  # type: ignore[type-var]


def _parse(hint: Any, text: str) -> object:
    """Read a command-line value: strings as they are, everything else as JSON (None, True too)."""
    if hint is str:
        return text
    try:
        return json.loads({"None": "null", "True": "true", "False": "false"}.get(text, text))
    except json.JSONDecodeError:
        return text  # the type check that follows names the field and what it expects


def _convert(hint: Any, value: object, key: str) -> Any:
    """Check one value against its annotation; whole numbers pass as floats, lists as tuples."""
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, key)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _convert(args[0], value, key)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(args[0], item, key) for item in value)
    if origin is dict and isinstance(value, dict):
        return {_convert(args[0], k, key): _convert(args[1], v, key) for k, v in value.items()}
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    raise InputError(f"{key} must be {_describe(hint)}, not {value!r}")


def _describe(hint: Any) -> str:
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return f"a list, each entry {_describe(args[0])}"
    if typing.get_origin(hint) is dict:
        return f"an object, each value {_describe(args[1])}"
    return words.get(hint, str(hint))


def _hint(name: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
