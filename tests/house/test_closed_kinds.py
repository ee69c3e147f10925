"""Every dispatch over a closed kind ends in `assert_never` or `raise`: a new member is refused."""

import ast
from textwrap import dedent, indent

import pytest
from closed_kinds import families, opened, parsed
from places import ROOMS, ROOT

KINDS = """
from enum import StrEnum
class Kind(StrEnum):
    CONV = "conv"
    POOL = "pool"
    MAX = "max"
class Mac:
    kind: Kind
class Pool:
    kind: Kind
Layer = Mac | Pool
"""

OPEN = {
    "match": """
        match x:
            case Mac():
                return 1
            case Pool(kind=Kind.MAX):
                return 2
            case _:
                return 3
    """,
    "match without a default": """
        match x.kind:
            case Kind.CONV | Kind.MAX:
                y = 1
    """,
    "elif": """
        if isinstance(x, Mac):
            y = 1
        elif isinstance(x, Pool):
            y = 2
    """,
    "class, then kind": """
        if isinstance(x, Mac):
            y = 1
        elif x.kind is Kind.POOL and y:
            y = 2
        else:
            y = 3
    """,
    "returns": """
        if x.kind is Kind.CONV:
            return 1
        if x.kind in (Kind.POOL, Kind.MAX):
            return 2
        return 3
    """,
    "expression": "return 1 if x is Kind.CONV else 2 if x == Kind.POOL else 3",
}
CLOSED = {
    "match": """
        match x:
            case Mac():
                return 1
            case Pool():
                return 2
            case _:
                assert_never(x)
    """,
    "elif": """
        if isinstance(x, Mac):
            y = 1
        elif isinstance(x, Pool):
            y = 2
        else:
            raise TypeError(x)
    """,
    "returns": """
        if x.kind is Kind.CONV:
            return 1
        if x.kind in (Kind.POOL, Kind.MAX):
            return 2
        assert_never(x.kind)
    """,
    "one question": """
        if x.kind is Kind.CONV:
            return 1
        return 2
    """,
    "no kinds": """
        if x == 1:
            return 1
        if x == 2:
            return 2
        return 3
    """,
}


def _opened(body: str) -> list[str]:
    source = KINDS + "def f(x, y):\n" + indent(dedent(body).strip(), "    ")
    tree = ast.parse(source)
    return [found.function for found in opened("m.py", tree, families({"m.py": tree}))]


@pytest.mark.parametrize("case", OPEN)
def test_open(case):
    assert _opened(OPEN[case]) == ["f"]


@pytest.mark.parametrize("case", CLOSED)
def test_closed(case):
    assert _opened(CLOSED[case]) == []


def test_no_dispatch_is_open():
    trees = parsed(ROOT, ROOMS)
    known = families(trees)
    assert {"LayerKind", "MacLayer", "PoolLayer", "ThresholdLayer", "Requant"} <= set(known)
    found = [each for file, tree in trees.items() for each in opened(file, tree, known)]
    lines = [f"{each.file}:{each.line} ({each.function})" for each in found]
    assert not lines, "Dispatch must end in assert_never or raise:\n" + "\n".join(lines)
