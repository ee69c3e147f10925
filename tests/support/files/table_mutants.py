"""Mutants of structured files, hostile and careless ones.

`values` are what a cell or a value is replaced by, `Trees` changes nested data (TOML, YAML) at
random places and writes it again, `lines` changes text line by line. All from a seed.
"""

import copy
import random
from typing import Any

INTEGERS = (0, -1, 1, 2, 255, 2**31 - 1, 2**31, 2**63, -(2**63), 10**30, 1 << 20_000)
FLOATS = (0.0, -0.0, 0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", " ", "decode", "nan", "1", "\x1b[31m", "=1+1", "[/red]", "../../x", "x" * 10_000)
OTHERS = (True, False, [], {}, ["decode"], [[[[]]]], {"a": {"b": []}})
values: tuple[Any, ...] = (*INTEGERS, *FLOATS, *TEXTS, *OTHERS)

CELLS = (
    "", "0", "-1", "1.5", "1e3", "nan", "inf", "٣", "²", "0x10", "1_000", "+1", " 7 ", "2147483647",
    "2147483648", "9" * 5000, "0" * 5000, "1:2", "1:1", '"', '""', '"3"', "'", "#", "#x", "\x00",
    "\x1b[31m", "=1+1", "DP", ",", ",,", "\n", "\r\n", "\ufeff", "x" * 70_000, "\ud7ff", "\u2028",
)  # fmt: skip


class Trees:
    """Random changes of nested dictionaries and lists."""

    def __init__(self, good: dict[str, Any], seed: int) -> None:
        self.good, self.random = good, random.Random(seed)

    def mutant(self) -> dict[str, Any]:
        """A copy with one to three changes."""
        tree = copy.deepcopy(self.good)
        for _ in range(self.random.randint(1, 3)):
            self._change(tree)
        return tree

    def _change(self, tree: dict[str, Any]) -> None:
        holder, key = self.random.choice(list(_places(tree)) or [(tree, "new")])
        match self.random.randrange(4):
            case 0 if isinstance(holder, dict):
                holder.pop(key, None)
            case 1 if isinstance(holder, dict):
                holder[self.random.choice(("", "x", "name", "\x1b", "rows"))] = self._value()
            case 2 if isinstance(holder, dict) and len(holder) > 1:
                holder[key] = copy.deepcopy(holder[self.random.choice(list(holder))])
            case _:
                holder[key] = self._value()

    def _value(self) -> Any:
        return copy.deepcopy(self.random.choice(values))


def _places(tree: Any) -> Any:
    """Every (holder, key) of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def toml(tree: dict[str, Any]) -> str:
    """TOML of a tree: inline tables within top-level keys."""
    return "".join(f"{_key(k)} = {_toml(v)}\n" for k, v in tree.items())


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if abs(value) < 1 << 200 else hex(value)
        case float():
            return repr(value)
        case str():
            return _key(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{_key(k)} = {_toml(v)}' for k, v in value.items())}}}"
    raise TypeError(type(value))


def _key(text: str) -> str:
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in text)
    return f'"{escaped}"'


def yaml(value: Any) -> str:
    """YAML in flow style, with some words of its own that are no JSON."""
    match value:
        case int() if not isinstance(value, bool) and abs(value) >= 1 << 200:
            return "9" * 5000
        case dict():
            return f"{{{', '.join(f'{_key(k)}: {yaml(v)}' for k, v in value.items())}}}"
        case list():
            return f"[{', '.join(map(yaml, value))}]"
        case float():
            return repr(value).replace("inf", ".inf").replace("nan", ".nan")
        case _:
            return _toml(value)


def lines(text: str, seed: int) -> str:
    """A CSV text with one to three cells, rows or bytes changed."""
    rng = random.Random(seed)
    rows = [line.split(",") for line in text.split("\n")]
    for _ in range(rng.randint(1, 3)):
        row = rng.choice(rows)
        match rng.randrange(6):
            case 0:
                row.insert(rng.randrange(len(row) + 1), rng.choice(CELLS))
            case 1 if len(row) > 1:
                del row[rng.randrange(len(row))]
            case 2:
                rows.insert(rng.randrange(len(rows) + 1), list(row))
            case 3:
                rng.shuffle(row)
            case _:
                row[rng.randrange(len(row))] = rng.choice(CELLS)
    return rng.choice(("\n", "\r\n", "\n\n")).join(",".join(row) for row in rows)
