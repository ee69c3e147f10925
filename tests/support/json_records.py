"""Every record that a command prints with --json in a test is compared with its schema."""

import functools
import importlib.util
import json
from typing import Any

from adqhw import console
from adqhw.commands.schema import schema_of

INSTALLED = importlib.util.find_spec("jsonschema") is not None
"""Where it is absent, test_schema.py says so and nothing is compared."""

_text = console.json_text


@functools.cache
def validator(words: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema_of(words))


def checked_text(record: dict[str, Any]) -> str:
    """`console.json_text`, for records that their schema describes; AssertionError for others."""
    words = console.running.get()
    if words:  # empty where a test calls a function of a command
        check(words, record)
    return _text(record)


def check(words: str, record: dict[str, Any]) -> None:
    """Whether the schema of the command `words` describes what the record is printed as."""
    if INSTALLED:
        wrong = [_said(error) for error in validator(words).iter_errors(json.loads(_text(record)))]
        assert not wrong, f"adqhw {words} --json: {'; '.join(wrong[:5])}"


def _said(error: Any) -> str:
    """The deepest reason: of alternatives the one that got furthest."""
    while error.context:
        error = max(error.context, key=lambda one: (len(one.absolute_path), len(one.context or ())))
    place = "".join(f"[{part!r}]" for part in error.absolute_path)
    return f"{place or 'record'}: {error.message[:300]}"


def watch() -> None:
    """Begin to compare."""
    if INSTALLED:
        console.json_text = checked_text
