"""Amaranth's RTLIL as text: modules, cells, the bits of a net."""

import re
from dataclasses import dataclass

MODULE = re.compile(r"^(?=module )", re.MULTILINE)
"""Splits a text in what precedes the modules (attributes of the first), and each module."""
CELL = re.compile(
    r"(?P<attributes>(?:^  attribute [^\n]*\n)*)^  cell (?P<kind>\S+) (?P<name>\S+)\n"
    r"(?P<body>(?:^    [^\n]*\n)*)^  end\n",
    re.MULTILINE,
)
_WIRE = re.compile(r"^  wire width (\d+) .*?(\S+)$", re.MULTILINE)
_PORT = re.compile(r"^    connect \\(\S+) (.*)$", re.MULTILINE)
_PARAMETER = re.compile(r"^    parameter \\(\S+) (.*)$", re.MULTILINE)
_CHUNK = re.compile(r"(\d+)'([01]+)|([\\$]\S+)(?: \[(\d+)(?::(\d+))?\])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """A cell's parameters and the nets of its ports, as they are written."""

    parameters: dict[str, str]
    nets: dict[str, str]

    @classmethod
    def of(cls, body: str) -> "Ports":
        """Of the lines of a cell."""
        return cls(parameters=dict(_PARAMETER.findall(body)), nets=dict(_PORT.findall(body)))


def widths(module: str) -> dict[str, int]:
    """Bits of every wire of a module."""
    return {name: int(width) for width, name in _WIRE.findall(module)}


def bits(net: str, known: dict[str, int]) -> list[str]:
    """Every bit of a net as a net of its own, low bit first; known: widths of whole wires."""
    found: list[str] = []
    for _, constant, wire, high, low in reversed(_CHUNK.findall(net)):
        if constant:
            found += [f"1'{digit}" for digit in reversed(constant)]
        else:
            top = int(high) if high else known[wire] - 1
            bottom = int(low or high) if high else 0
            found += [f"{wire} [{bit}]" for bit in range(bottom, top + 1)]
    return found
