"""JSON that comes from a file: of one meaning, or refused (contract section 9).

Python's reader takes NaN, infinity, lone surrogates and repeated keys, and ends in a RecursionError
on deep nesting. None of them survives a hash, a comparison or a terminal.
"""

import json
import math
import re
from functools import partial
from typing import Any, NoReturn

from ..errors import ContractError
from .text import printable

MAX_DEPTH = 64
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
"""Strings, skipped whole, and brackets."""


def strict_loads(text: str, what: str) -> Any:
    """The value of `text`; `what` ("Program header") begins the message of a refusal."""
    _check_depth(text, what)
    try:
        value = json.loads(
            text, object_pairs_hook=partial(_unique, what), parse_constant=partial(_refuse, what)
        )
        _check(value, what)
    except RecursionError as error:  # a stack smaller than usual
        raise ContractError(f"{what} must be at most {MAX_DEPTH} levels deep") from error
    except ContractError:
        raise
    except ValueError as error:  # also integers of more digits than Python converts
        raise ContractError(f"{what} must be JSON: {printable(str(error))}") from error
    return value


def _check_depth(text: str, what: str) -> None:
    depth = 0
    for match in _STRUCTURE.finditer(text):
        sign = match[0]
        depth += (sign in "[{") - (sign in "]}") if len(sign) == 1 else 0
        if depth > MAX_DEPTH:
            raise ContractError(f"{what} must be at most {MAX_DEPTH} levels deep")


def _check(value: Any, what: str) -> None:
    """Refuse numbers and texts that have no place in canonical JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ContractError(f"{what} must hold finite numbers, not {value!r}")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ContractError(
                f"{what} must hold Unicode text, not the lone surrogate in {printable(value)!r}"
            ) from error
    if isinstance(value, list):
        for item in value:
            _check(item, what)
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, what)
            _check(item, what)


def _unique(what: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Object hook: each key once."""
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise ContractError(f"{what} must have each key once, not {printable(key)!r} twice")
        fields[key] = value
    return fields


def _refuse(what: str, name: str) -> NoReturn:
    """Constant hook: NaN and the infinities."""
    raise ContractError(f"{what} must hold finite numbers, not {name}")
