"""A user's own function or class that makes a module: `package.module:name` or `file.py:name`.

Importing it runs the user's code, so a name that comes from a file (a checkpoint) is followed only
to a module in the current folder, and only to what that module itself defines.
"""

import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ...spec.errors import InputError
from ...spec.host.text import one_line, printable, shown
from ..frontend.places import raised_at

FORM = "package.module:name or file.py:name"


def make(text: str, arguments: Sequence[str], *, seed: int, trusted: bool) -> nn.Module:
    """The module that the factory ``text`` makes, its random weights drawn with ``seed``.

    arguments: `key=value` texts, values as JSON or else as text. trusted: the user named the
    factory; otherwise it must be defined in the current folder. Errors of the user's code are
    `InputError` with its file and line.
    """
    place, name = _parts(text)
    named = dict(_argument(argument) for argument in arguments)
    if not trusted:
        _check_here(text, place)
    what = f"Model {shown(text)}"
    with _user_code(what, "be importable"), torch.random.fork_rng():
        module = _imported(place)
    factory: Any = module
    for part in name.split("."):
        factory = getattr(factory, part, None)
    kind = isinstance(factory, type) and issubclass(factory, nn.Module)
    if not kind and (isinstance(factory, nn.Module) or not callable(factory)):
        found = "absent" if factory is None else type(factory).__name__
        raise InputError(f"{what} must be a class or function of {place}, not {found}")
    if not trusted and getattr(factory, "__module__", None) != module.__name__:
        raise InputError(
            f"{what} must be defined in {place} itself: pass --model {printable(text)}"
        )
    with _user_code(what, "make a module"), torch.random.fork_rng():
        torch.manual_seed(seed)
        made = factory(**named)
    if not isinstance(made, nn.Module):
        raise InputError(f"{what} must make a torch.nn.Module, not {type(made).__name__}")
    if next(iter(made.parameters()), None) is None:
        raise InputError(f"{what} must make a module with parameters, not without")
    return made


def file_of(text: str) -> Path | None:
    """The file of a factory in the current folder (its text may name a folder); None elsewhere."""
    place, _ = _parts(text)
    if place.endswith(".py"):
        return Path(place)
    stem = Path(*place.split("."))
    found = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in found if path.is_file()), None)


def _parts(text: str) -> tuple[str, str]:
    place, colon, name = text.rpartition(":")
    good = colon and place and all(part.isidentifier() for part in name.split("."))
    if good and not place.endswith(".py"):
        good = all(part.isidentifier() for part in place.split("."))
    if not good:
        raise InputError(f"Model must be {FORM}, not {shown(text)}")
    return place, name


def _argument(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise InputError(f"Model argument must be key=value, not {shown(text)}")
    try:
        return key, json.loads({"None": "null", "True": "true", "False": "false"}.get(value, value))
    except (ValueError, RecursionError):
        return key, value


def _check_here(text: str, place: str) -> None:
    """Refuse to import what lies outside the current folder because a file says so."""
    file = file_of(text)
    if (
        file is None
        or not file.is_file()
        or not file.resolve().is_relative_to(Path.cwd().resolve())
    ):
        raise InputError(
            f"Model {shown(text)} must be a module in the current folder {str(Path.cwd())!r}, "
            f"where it was trained; for one elsewhere pass --model {printable(text)}"
        )


def _imported(place: str) -> ModuleType:
    here = str(Path.cwd())
    if not place.endswith(".py"):
        _on_path(here)
        importlib.invalidate_caches()
        return importlib.import_module(place)
    path = Path(place)
    if not path.is_file():
        raise InputError(f"Model file must exist, not {shown(place)}")
    _on_path(str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(f"adqhw_model_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"Model file must be Python, not {shown(place)}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _on_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


@contextlib.contextmanager
def _user_code(what: str, rule: str) -> Iterator[None]:
    """Name file and line of what the user's code raises; what it prints is not our output."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        place = raised_at(error)
        if isinstance(error, SyntaxError):
            place = f"{error.filename}, line {error.lineno}"
        where = f" ({printable(place, 200)})" if place else ""
        text = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"{what} must {rule}, not fail with {text}{where}") from error
