"""Where in a user's code something happens, and refusals that say it."""

import re
import sys
from pathlib import Path
from types import TracebackType

import torch
from torch import fx

from ...spec.errors import InputError
from ...spec.host.text import printable

_TORCH = str(Path(torch.__file__).parent)
_OURS = str(Path(__file__).parent)
_FRAME = re.compile(r'File "(.+)", line (\d+), in ')


class UnsupportedModelError(InputError):
    """A module that cannot become a network; names module, file and line."""


def module_of(node: fx.Node) -> tuple[str, str]:
    """Path and class of the innermost module that an operation belongs to."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    return str(path), str(kind).rpartition(".")[2]


def line_of(node: fx.Node) -> str:
    """The innermost line of the user's own code, as "file, line N"; "" if all is torch's."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    own = [(file, line) for file, line in frames if not file.startswith((_TORCH, _OURS))]
    return f"{own[-1][0]}, line {own[-1][1]}" if own else ""


def where(node: fx.Node) -> str:
    """Module and line, as the beginning of a message."""
    path, kind = module_of(node)
    what = (
        f"Module {printable(repr(path))} ({kind})" if path else f"Module {kind or 'of the model'}"
    )
    line = line_of(node)
    return f"{what}, {printable(line, 200)}" if line else what


def refuse(place: str, rule: str, value: object) -> UnsupportedModelError:
    """The error "<place>: <rule>, not <value>"."""
    return UnsupportedModelError(f"{place}: {rule}, not {printable(str(value), 200)}")


def raised_at(error: BaseException) -> str:
    """The innermost line of the user's own code in the traceback of an error of tracing."""
    found = ""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        library = file.startswith((_TORCH, _OURS, sys.prefix, sys.base_prefix, "<"))
        if not library:
            found = f"{file}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found
