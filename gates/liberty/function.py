"""Boolean expressions of Liberty: `function`, `when`, `next_state`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ...spec.errors import InputError

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.\[\]]*)|([01])(?!\w)|([!'^&*+|()]))", re.ASCII)
MAX_TOKENS, MAX_DEPTH = 400, 50
"""Of one expression, and of its brackets and negations: real ones have 90 and 5. Trees are walked
recursively, one call per level."""


@dataclass(frozen=True, slots=True)
class Function:
    """One expression as a tree: ("pin", name), ("const", 0|1), ("!", x), ("&"|"|"|"^", x, y)."""

    tree: tuple[Any, ...]

    @property
    def pins(self) -> tuple[str, ...]:
        """Names in order of appearance."""
        return tuple(dict.fromkeys(_pins(self.tree)))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Its value, 0 or 1, for integers or integer arrays of 0 and 1 by pin."""
        return _evaluate(self.tree, values)

    def verilog(self, nets: Mapping[str, str]) -> str:
        """A Verilog expression of one bit; `nets` gives the operand of every pin."""
        return _verilog(self.tree, nets)


def parse_function(text: str, where: str) -> Function:
    """`!A`, `A'`, `A & B`, `A * B`, `A B`, `A + B`, `A | B`, `A ^ B`; ^ binds before & before |.

    >>> parse_function("!(A B)", "Function").evaluate({"A": 1, "B": 0})
    1
    """
    reader = _Reader(text, where)
    tree = reader.sum()
    if reader.token is not None:
        reader.refuse()
    return Function(tree)


class _Reader:
    def __init__(self, text: str, where: str) -> None:
        self.text, self.where, self.at = text.strip(), where, 0
        self.token: tuple[str, str] | None = None
        self.tokens, self.depth = 0, 0
        self.next()

    def next(self) -> None:
        if self.at >= len(self.text):
            self.token = None
            return
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            self.refuse()
        self.at = found.end()
        self.tokens += 1
        if self.tokens > MAX_TOKENS:
            raise InputError(f"{self.where} must have at most {MAX_TOKENS} names and signs")
        name, constant, sign = found.groups()
        self.token = ("pin", name) if name else ("const", constant) if constant else ("sign", sign)

    def sum(self) -> tuple[Any, ...]:
        tree = self.product()
        while self._sign("+|"):
            self.next()
            tree = ("|", tree, self.product())
        return tree

    def product(self) -> tuple[Any, ...]:
        tree = self.difference()
        while self._sign("&*") or self._operand():
            if self._sign("&*"):
                self.next()
            tree = ("&", tree, self.difference())
        return tree

    def difference(self) -> tuple[Any, ...]:
        tree = self.operand()
        while self._sign("^"):
            self.next()
            tree = ("^", tree, self.operand())
        return tree

    def operand(self) -> tuple[Any, ...]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InputError(f"{self.where} must have at most {MAX_DEPTH} brackets in each other")
        tree = self._operand_inside()
        self.depth -= 1
        return tree

    def _operand_inside(self) -> tuple[Any, ...]:
        if self.token is None:
            self.refuse()
        kind, text = self.token
        if kind == "sign" and text == "!":
            self.next()
            return ("!", self.operand())
        tree: tuple[Any, ...] = ()
        match kind:
            case "pin":
                tree = ("pin", text)
            case "const":
                tree = ("const", int(text))
            case _:
                if text != "(":
                    self.refuse()
                self.next()
                tree = self.sum()
                if not self._sign(")"):
                    self.refuse()
        self.next()
        while self._sign("'"):
            self.next()
            tree = ("!", tree)
        return tree

    def _sign(self, signs: str) -> bool:
        return self.token is not None and self.token[0] == "sign" and self.token[1] in signs

    def _operand(self) -> bool:
        return self.token is not None and (self.token[0] != "sign" or self.token[1] in "!(")

    def refuse(self) -> NoReturn:
        shown = self.text if len(self.text) <= 80 else f"{self.text[:80]}…"
        raise InputError(f"{self.where} must be a Boolean expression of pins, not {shown!r}")


def _pins(tree: tuple[Any, ...]) -> list[str]:
    if tree[0] == "pin":
        return [tree[1]]
    if tree[0] == "const":
        return []
    return [name for part in tree[1:] for name in _pins(part)]


def _evaluate(tree: tuple[Any, ...], values: Mapping[str, Any]) -> Any:
    match tree[0]:
        case "pin":
            return values[tree[1]]
        case "const":
            return tree[1]
        case "!":
            return 1 - _evaluate(tree[1], values)
        case "&":
            return _evaluate(tree[1], values) & _evaluate(tree[2], values)
        case "|":
            return _evaluate(tree[1], values) | _evaluate(tree[2], values)
        case _:
            return _evaluate(tree[1], values) ^ _evaluate(tree[2], values)


def _verilog(tree: tuple[Any, ...], nets: Mapping[str, str]) -> str:
    match tree[0]:
        case "pin":
            return nets[tree[1]]
        case "const":
            return f"1'b{tree[1]}"
        case "!":
            return f"~{_verilog(tree[1], nets)}"
        case _:
            return f"({_verilog(tree[1], nets)} {tree[0]} {_verilog(tree[2], nets)})"
