"""The name of a micro-architecture is code in its own module and in the registry, nowhere else."""

import ast
from collections.abc import Iterator

import pytest
from closed_kinds import parsed
from places import ROOT

from adqhw.rtl.arch import registry

ROOMS = ("rtl", "cosim", "cost", "gates", "flows", "studies", "verify", "adqhw")
"""Those that may import rtl; the trainer has a quantizer called uniform."""
QUANTIZERS = ("studies/ablation/", "studies/zoo/")
"""They speak of quantizers of the trainer, one of them `uniform`."""


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of every string that is not a docstring, and the values of lists in it."""
    documents = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in documents:
            yield from ((node.lineno, part.strip()) for part in node.value.split(","))


@pytest.mark.parametrize("name", registry.names())
def test_a_name_stands_in_its_module_and_in_the_registry(name):
    found = {
        file
        for file, tree in parsed(ROOT, ROOMS).items()
        if not file.startswith(QUANTIZERS) and name in {text for _, text in literals(tree)}
    }
    assert found == {f"rtl/lanes/{name}.py", "rtl/arch/registry.py"}


@pytest.mark.parametrize("name", registry.names())
def test_its_object_has_its_name_and_a_mark_of_its_own(name):
    marks = [(registry.micro(n).marker, registry.micro(n).colour) for n in registry.names()]
    assert registry.micro(name).name == name
    assert marks.count((registry.micro(name).marker, registry.micro(name).colour)) == 1
    assert registry.micro(name).__doc__
