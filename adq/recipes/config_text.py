"""Text forms of a config: JSON round trip, and `--set KEY=VALUE` changes with type checking."""

import dataclasses
import json
from typing import Any, Literal, TypeVar, get_origin

from ...spec.errors import InputError
from ...spec.host.reading import exact_fields, near_key
from ...spec.host.text import shown
from .config import OF_DATA, Recipe
from .fields import convert, hints_of, is_group

T = TypeVar("T")
MAX_VALUE = 1 << 20
"""Characters of a value on the command line."""


def to_dict(config: Any) -> dict[str, Any]:
    """Return the config as nested plain dictionaries, lists and scalars (ready for JSON)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(kind: type[T], record: object, where: str = "") -> T:
    """Build the config `kind` from JSON data; unknown fields and wrong types are refused."""
    hints = hints_of(kind)
    fields = exact_fields(
        record,
        kind,
        where or kind.__name__,
        kind="an object",
        lacking="must have all required fields, not lack {key}",
        unknown="must have only known fields, not {key}",
    )
    return kind(**{n: _build(hints[n], v, f"{where}.{n}".lstrip(".")) for n, v in fields.items()})


def override(recipe: Recipe, assignments: list[str]) -> Recipe:
    """Return the recipe changed by `["optim.lr=0.02", ...]`: dotted field, `=`, value.

    All changes count together. Values read as JSON where the field is not a string: `true`, `3`,
    `0.02`, `null`, `[1, 2]`, `{"layer1.0.conv1": 3}`. Another `data.name` leaves what the recipe
    says of its own images (`OF_DATA`) to the new data, unless it is set, too.
    """
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or len(text) > MAX_VALUE:
            raise InputError(f"--set must be KEY=VALUE, not {shown(assignment)}")
        _collect(type(recipe), key.strip(), text.strip(), changes)
    if changes.get("data", {}).get("name", recipe.data.name) != recipe.data.name:
        changes["model"] = OF_DATA | changes.get("model", {})
    return _changed(recipe, changes)


def _collect(kind: type, key: str, text: str, changes: dict[str, Any]) -> None:
    """Put the value of the dotted field `key` into the nested `changes` of a `kind`."""
    name, *rest = key.split(".")
    hints = hints_of(kind)
    while name in hints and is_group(hints[name]):
        hints, changes = hints_of(hints[name]), changes.setdefault(name, {})
        if not rest:
            fields = ", ".join(f"{key}.{n}" for n in hints)
            raise InputError(
                f"--set must name one field, not the group {shown(key)}; its fields: {fields}"
            )
        name, *rest = rest
    what = f"--set must name a field of the recipe, not {shown(key)}"
    if name not in hints:
        raise InputError(f"{what}{near_key(name, hints)}")
    if rest:
        raise InputError(f"{what}: {name} has no parts")
    changes[name] = convert(hints[name], _parse(hints[name], text), key)


def _changed(config: Any, changes: dict[str, Any]) -> Any:
    """The configuration with all its changes at once: fields that depend on each other agree."""
    hints = hints_of(type(config))
    values = {
        name: _changed(getattr(config, name), value) if is_group(hints[name]) else value
        for name, value in changes.items()
    }
    return dataclasses.replace(config, **values)


def _parse(hint: Any, text: str) -> object:
    """Read a command-line value: strings as they are, everything else as JSON (None, True too)."""
    if hint is str or get_origin(hint) is Literal:
        return text
    try:
        return json.loads({"None": "null", "True": "true", "False": "false"}.get(text, text))
    except (ValueError, RecursionError):  # no JSON; thousands of digits; thousands of brackets
        return text  # the type check that follows names the field and what it expects


def _build(hint: Any, value: object, key: str) -> Any:
    """A group of fields from its object, a field from its value."""
    return from_dict(hint, value, key) if is_group(hint) else convert(hint, value, key)
