"""`adqhw schema`: the JSON Schema of what a command prints with --json."""

import json
from importlib import resources
from typing import Annotated, Any

import typer

from ..console import JSON_OPTION, emit, say
from ..spec.errors import InputError
from ..spec.host.text import shown

SHARED = "shared"
"""The file of definitions that several schemas use."""


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="A command, e.g. `inspect` or `bench sim`."),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """The JSON Schema (2020-12) of a command's --json, or, without COMMAND, whose there are.

    Example: adqhw schema bench sim
    """
    if words:
        print(json.dumps(schema_of(" ".join(words)), indent=1, ensure_ascii=False))
    elif as_json:
        emit({"commands": names()})
    else:
        say("\n".join(names()))


def names() -> list[str]:
    """Words of all commands that have a schema."""
    folder = resources.files("adqhw") / "schemas"
    top = sorted(_stem(file.name) for file in folder.iterdir() if file.is_file())
    inner = sorted(_stem(file.name) for file in (folder / "bench").iterdir())
    return [name for name in top if name != SHARED] + [f"bench {name}" for name in inner]


def schema_of(words: str) -> dict[str, Any]:
    """The schema of a command, complete: with the shared definitions that it uses.

    words: as on the command line, `bench sim`.
    """
    known = names()
    if words not in known:
        raise InputError(f"Command must be one of {', '.join(known)}, not {shown(words)}")
    schema = _read("/".join(words.split()))
    defined = schema.pop("$defs", {})
    everywhere = _read(SHARED)["$defs"] | defined
    used: dict[str, Any] = {}
    missing = _references(schema)
    while missing:
        used |= {name: everywhere[name] for name in missing}
        missing = _references(used) - used.keys()
    return {**schema, "$defs": dict(sorted(used.items()))} if used else schema


def _read(name: str) -> dict[str, Any]:
    file = resources.files("adqhw").joinpath("schemas", *f"{name}.json".split("/"))
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def _references(part: Any) -> set[str]:
    """Names of the definitions that a part of a schema refers to."""
    if isinstance(part, list):
        return set().union(*map(_references, part))
    if not isinstance(part, dict):
        return set()
    own = part.get("$ref")
    found = {own.removeprefix("#/$defs/")} if isinstance(own, str) else set()
    return found.union(*map(_references, part.values()))


def _stem(name: str) -> str:
    return name.removesuffix(".json")
