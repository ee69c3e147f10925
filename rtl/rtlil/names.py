"""Names for the wires that Amaranth leaves unnamed, so that netlists and paths can be read.

Unnamed values are `$12` in RTLIL and Verilog, and tools drop such names first. A register's next
value becomes `NAME_next`, another value `FUNCTION_OPERATION_12`: the generator's function that
wrote the expression, and the operation. No path or line of a source appears.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .text import CELL, MODULE

_SOURCE = re.compile(r'attribute \\src "([^"|]+):(\d+)"')
_SOURCE_LINE = re.compile(r'^\s*attribute \\src ".*"\n', re.MULTILINE)
_PORT = re.compile(r"^    connect \\(\S+) (\S+)", re.MULTILINE)
_ALIAS = re.compile(r"^connect \\(\S+)(?: \[[\d:]+\])? (\$\d+)\b", re.MULTILINE)
_WIRE = re.compile(r"^  wire .*?(\S+)$", re.MULTILINE)
_NUMBER = re.compile(r"(?<= )\$\d+(?= |$)", re.MULTILINE)
_EMPTY = re.compile(
    r"(?:^  attribute [^\n]*\n)*^  wire width 0 [^\n]*\n|^connect \S+ \{  \}\n", re.MULTILINE
)
_PLAIN = re.compile(r"\W")


def named(rtlil: str) -> str:
    """RTLIL, as Amaranth writes it with sources, with its unnamed wires named and no source.

    Wires of no bits, empty fields of structures, are left out: Verilog's `[-1:0]` has two.
    """
    head, *modules = MODULE.split(_EMPTY.sub("", rtlil))
    return _SOURCE_LINE.sub("", "".join([head, *map(_module, modules)]))


def _module(text: str) -> str:
    wires = set(_WIRE.findall(text))
    taken = {name.removeprefix("\\") for name in wires if name.startswith("\\")}
    names: dict[str, str] = {}
    for wire, name in _proposals(text):
        if wire in wires and wire not in names:
            while name in taken:
                name += "_"
            taken.add(name)
            names[wire] = f"\\{name}"

    def line(old: str) -> str:
        if old.lstrip().startswith("attribute "):
            return old
        return _NUMBER.sub(lambda match: names.get(match[0], match[0]), old)

    return "".join(line(old) for old in text.splitlines(keepends=True))


def _proposals(text: str) -> Iterator[tuple[str, str]]:
    """(wire, name): next values of registers first, then values of signals, operations, ports."""
    operations, others = [], []
    for attributes, kind, _, body in CELL.findall(text):
        ports = dict(_PORT.findall(body))
        if kind.endswith("dff"):
            if ports["Q"].startswith("\\"):
                yield ports["D"], f"{_word(ports['Q'])}_next"
            else:
                others.append((ports["D"], f"next_{ports['D'][1:]}"))
        elif kind.startswith("\\"):
            others += [(wire, f"{_word(port)}_{wire[1:]}") for port, wire in ports.items()]
        elif "Y" in ports:
            source = _SOURCE.search(attributes)
            where = _function(source[1], int(source[2])) if source else ""
            parts = (where, kind.strip("$_"), ports["Y"][1:])
            operations.append((ports["Y"], "_".join(filter(None, parts))))
    aliases = sorted(_ALIAS.findall(text), key=lambda pair: pair[0].startswith("port$"))
    yield from ((wire, f"{_word(signal)}_value") for signal, wire in aliases)
    yield from (*operations, *others)


def _word(name: str) -> str:
    return _PLAIN.sub("_", name.removeprefix("\\"))


def _function(path: str, line: int) -> str:
    """The innermost function around a line of a source; empty: none, or `elaborate` itself."""
    inner = [span for span in _functions(path) if span[0] <= line <= span[1]]
    name = max(inner)[2].strip("_") if inner else ""
    return "" if name == "elaborate" else name


@cache
def _functions(path: str) -> list[tuple[int, int, str]]:
    """(first line, last line, name) of every function of a source."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (node.lineno, node.end_lineno or node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]
