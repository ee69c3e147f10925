"""Examples in docstrings are true, and every room has one."""

import ast
import doctest
from importlib import import_module

import pytest
from closed_kinds import parsed
from places import ROOMS, ROOT


def _examples(tree: ast.Module) -> bool:
    """A docstring of the module shows a call."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(tree) if isinstance(node, documented))
    return any(">>> " in (ast.get_docstring(node) or "") for node in nodes)


MODULES = [file for file, tree in parsed(ROOT, ROOMS).items() if _examples(tree)]


@pytest.mark.parametrize("file", MODULES)
def test_examples_are_true(file, monkeypatch):
    monkeypatch.chdir(ROOT)
    parts = file.removeprefix("adqhw/").removesuffix(".py").removesuffix("__init__").split("/")
    module = import_module(".".join(("adqhw", *filter(None, parts))))
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_every_room_has_an_example():
    assert {file.split("/")[0] for file in MODULES} == set(ROOMS)
