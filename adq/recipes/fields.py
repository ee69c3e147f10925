"""Checks of a configuration's fields: their types by annotation, their ranges, short messages.

A value may come from a command line, from the header of a file or from Python code; whoever builds
a configuration gets the same refusal. Nothing here needs torch.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, TypeGuard, TypeVar

from ...spec.errors import InputError
from ...spec.host.text import shown

T = TypeVar("T")
MAX_WHOLE = (1 << 64) - 1
"""Largest magnitude of a whole number, that of a seed; no count needs more."""
MAX_TEXT = 4096
"""Characters of a text, a path among them."""
MAX_ENTRIES = 4096
"""Of a list or an object."""


def require(condition: bool, thing: str, requirement: str, value: object) -> None:
    """Refuse a value that breaks a rule of a configuration."""
    if not condition:
        raise InputError(f"{thing} must be {requirement}, not {shown(value)}")


def one_of(known: Sequence[T], value: object, thing: str) -> T:
    """``value`` as one of the ``known`` ones."""
    if value not in known:
        raise InputError(f"{thing} must be {_listed(known)}, not {shown(value)}")
    return known[known.index(value)]


def _listed(known: Sequence[object]) -> str:
    *others, last = map(str, known)
    text = f"{', '.join(others)} or {last}"
    return text if len(others) < 3 else f"one of {text}"


def require_count(thing: str, value: int, most: int, least: int = 1) -> None:
    """Refuse a whole number outside `least..most`."""
    low = "positive" if least == 1 else f"{least} or more"
    require(value >= least, thing, low, value)
    require(value <= most, thing, f"at most {most}", value)


def check_types(config: object, group: str) -> None:
    """Refuse a field of another type than its annotation; `group` precedes its name."""
    for name, hint in hints_of(type(config)).items():
        value = getattr(config, name)
        if is_group(hint):
            require(isinstance(value, hint), f"{group}{name}", f"a {hint.__name__}", value)
        else:
            convert(hint, value, f"{group}{name}")


def is_group(hint: object) -> TypeGuard[type[Any]]:
    """Whether a field's annotation is a configuration of its own."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def hints_of(kind: type) -> dict[str, Any]:
    """Annotations of a configuration's fields, by name."""
    return typing.get_type_hints(kind)


def convert(hint: Any, value: object, key: str) -> Any:
    """Check one value against its annotation; whole numbers pass as floats, lists as tuples."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else convert(args[0], value, key)
    if origin is tuple and isinstance(value, list | tuple) and len(value) <= MAX_ENTRIES:
        return tuple(convert(args[0], item, key) for item in value)
    if origin is dict and isinstance(value, dict) and len(value) <= MAX_ENTRIES:
        return {convert(args[0], k, key): convert(args[1], v, key) for k, v in value.items()}
    if origin is Literal:
        return one_of(args, value, key)
    if _is_scalar(hint, value):
        return float(value) if hint is float else value
    raise InputError(f"{key} must be {_describe(hint)}, not {shown(value)}")


def _is_scalar(hint: Any, value: object) -> TypeGuard[str | float]:
    if hint is float and type(value) is float:
        return math.isfinite(value)
    if type(value) is int and hint in (int, float):
        return abs(value) <= MAX_WHOLE
    if type(value) is str and hint is str:
        return len(value) <= MAX_TEXT and "\0" not in value
    return type(value) is bool and hint is bool


def _describe(hint: Any) -> str:
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return f"a list, each entry {_describe(args[0])}"
    if typing.get_origin(hint) is dict:
        return f"an object, each value {_describe(args[1])}"
    if typing.get_origin(hint) is types.UnionType:
        return f"{_describe(args[0])} or null"
    return words.get(hint, str(hint))
