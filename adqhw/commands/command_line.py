"""The command that is running, as a page tells it, so that it can be run again."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

NOT_TOLD = ("out", "as_json")
DATA = "data"


def command_line(context: typer.Context) -> str:
    """Arguments and the options that were given; files by their names, the data set as DIR."""
    words = _names(context)
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        given = source is not None and source.name != "DEFAULT"
        if given and name not in NOT_TOLD:
            words += _words(parameter, context.params[name])
    return shlex.join(words)


def _names(context: typer.Context) -> list[str]:
    """Of the program and its commands."""
    found: list[str] = []
    inner: Any = context
    while inner is not None and inner.parent is not None:
        found.insert(0, inner.info_name or "")
        inner = inner.parent
    return ["adqhw", *found]


def _words(parameter: Any, value: Any) -> Iterator[str]:
    """parameter: typer's, which has been click's, or its own, by its version."""
    option = max(parameter.opts, key=len)
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, bool):
            off = parameter.secondary_opts or [option]
            yield option if one else max(off, key=len)
            continue
        if parameter.param_type_name == "option":
            yield option
        if isinstance(one, Path):
            yield "DIR" if parameter.name == DATA else one.name
        else:
            yield str(one)
