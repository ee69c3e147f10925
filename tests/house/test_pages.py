"""Pages and docstrings name files, modules and targets that exist."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from closed_kinds import parsed
from places import PAGES, ROOMS, ROOT

TOP = "|".join((*ROOMS[:-1], "adqhw/commands", "tests", "docs", "zoo", "tools"))
PATH = re.compile(rf"(?<![\w/.$-])((?:{TOP})/[\w./*-]*[\w*/])")
MODULE = re.compile(
    rf"`(?:adqhw\.)?((?:commands|{'|'.join(ROOMS[:-1])})(?:\.[a-z_0-9]+)+)(?:\.[A-Z]\w*)?`"
)
RUN = re.compile(r"python (?:-W ignore )?-m (adqhw[\w.]*)")
PYTEST = re.compile(r"`pytest ([^`]*tests/[^`]*)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def _name(file):
    return file.relative_to(ROOT).as_posix()


def _absent(text: str) -> list[str]:
    """Paths and modules that text names and that are not there."""
    names = (*RUN.findall(text), *(f"adqhw.{found}" for found in MODULE.findall(text)))
    return [
        *(path for path in PATH.findall(text) if not any(ROOT.glob(_pattern(path)))),
        *(name for name in names if not _is_there(name)),
    ]


def _pattern(path: str) -> str:
    """NAME stands for any name."""
    return path.rstrip("/").replace("NAME", "*")


def _is_there(name: str) -> bool:
    """A module, or something in one."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        parent, _, last = name.rpartition(".")
        spec = find_spec(parent)
        if spec is None or spec.origin is None:
            return False
        return re.search(rf"\b{last}\b", Path(spec.origin).read_text()) is not None


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_names_what_exists(page):
    text = page.read_text()
    assert not _absent(text)
    assert not [link for link in LINK.findall(text) if not (page.parent / link).exists()]


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_modules_name_what_exists(room):
    files = (ROOT / file for file in parsed(ROOT, (room,)))
    absent = {_name(file): _absent(file.read_text()) for file in files}
    assert not {name: names for name, names in absent.items() if names}


COMMANDS = sorted({found for page in PAGES for found in PYTEST.findall(page.read_text())})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_chosen_test_exists(command):
    """Words of `-k` occur in the files that the command names."""
    parts = [part.strip("[]") for part in shlex.split(command)]
    named = [ROOT / part for part in parts if part.startswith("tests/")]
    files = [file for path in named for file in ([path] if path.is_file() else path.rglob("*.py"))]
    text = "".join(file.read_text() for file in files)
    assert text
    if "-k" in parts:
        words = set(re.findall(r"\w+", parts[parts.index("-k") + 1])) - {"or", "and", "not"}
        assert not [word for word in words if word not in text]
    if "-m" in parts:
        assert f"mark.{parts[parts.index('-m') + 1]}" in text
