"""Gate netlists of other flows: a Verilog of a library's cells as it is, whatever its cells do.

Nothing is mapped or optimized and nothing is asked of the cells but to be in the Liberty: latches,
clock gates, clears and several clocks are taken, for nothing is simulated. Cells without pins
(fill, taps) are left out.
"""

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.reading import read_text as read_checked
from ...spec.host.text import shown
from ..liberty.liberty import Library
from ..liberty.text import read_text
from .netlist import ONE, ZERO, Gate, Netlist
from .synthesis_tools import run_tool

SCRIPT = (
    "read_liberty -lib cells.lib; read_verilog netlist.v; tee -q -o before.txt ls; "
    "hierarchy {top}; tee -q -o after.txt ls; flatten; write_json netlist.json"
)
_MODULE = re.compile(r"^  (\S+)\*?$", re.MULTILINE)
"""A line of yosys's list of modules; a star is at the top one."""
POWER = ("VDD", "VSS", "VPWR", "VGND", "VPB", "VNB", "GND")
"""Pins of supplies, whether the Liberty has them or not."""
_CONSTANTS = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}


def read_foreign(path: Path, liberty: Path, library: Library, top: str | None = None) -> Netlist:
    """The netlist in a Verilog file; top: its module, else the only one that no other has.

    Its `clock` is None: clocks are nets as others are.
    """
    if top is not None and not top.isidentifier():
        raise InputError(f"Module must be named by letters, digits and '_', not {shown(top)}")
    text = read_checked(path, "Netlist")
    with tempfile.TemporaryDirectory(prefix="adqhw_") as name:
        folder = Path(name)
        (folder / "cells.lib").write_text(read_text(liberty), encoding="utf-8")
        (folder / "netlist.v").write_text(text, encoding="utf-8")
        script = SCRIPT.format(top=f"-top {top}" if top else "-auto-top")
        run_tool("yosys", ["-q", "-p", script], folder)
        if top is None:
            _check_top(*((folder / f"{when}.txt").read_text() for when in ("before", "after")))
        found = (folder / "netlist.json").read_text(encoding="utf-8")
    return parse_foreign(found, library)


def _check_top(before: str, after: str) -> None:
    """Refuse a choice: a module that the chosen one does not have is another that none has."""
    used = {name.rstrip("*") for name in _MODULE.findall(after)}
    others = [name for name in _MODULE.findall(before) if name not in used]
    if others:
        raise InputError(
            f"Netlist must have one module that no other has, or --top must name it, not also "
            f"{shown(others[0])}"
        )


def parse_foreign(text: str, library: Library) -> Netlist:
    """The netlist in yosys's JSON, of the module that is marked as top."""
    modules = json.loads(text)["modules"]
    tops = [m for m in modules.values() if int(m.get("attributes", {}).get("top", "0"), 2)]
    if len(tops) != 1:
        raise InputError(f"Netlist must have one top module, not {len(tops)}")
    if not tops[0]["cells"]:
        raise InputError("Netlist must have cells to place, not none")
    numbers: dict[int, int] = {}

    def net(bit: Any) -> int:
        return numbers.setdefault(bit, len(numbers)) if isinstance(bit, int) else _CONSTANTS[bit]

    ports = {
        name: (port["direction"], tuple(net(bit) for bit in port["bits"]))
        for name, port in tops[0]["ports"].items()
    }
    gates = tuple(
        gate
        for name, entry in sorted(tops[0]["cells"].items())
        if (gate := _gate(name, entry, library, net)) is not None
    )
    driven = _driven(gates, library)
    given = {
        name: nets
        for name, (way, nets) in ports.items()
        if way == "input" or (way == "inout" and driven.isdisjoint(nets))
    }
    for name, nets in given.items():
        if not driven.isdisjoint(nets):
            raise InputError(
                f"Netlist: a net must have one driver, not port {shown(name)} and a cell"
            )
    return Netlist(
        gates=gates,
        inputs=given,
        outputs={name: nets for name, (_, nets) in ports.items() if name not in given},
        clock=None,
        nets=len(numbers),
        bits=numbers,
    )


def _driven(gates: Iterable[Gate], library: Library) -> set[int]:
    """Nets that cells drive; a second driver that is no three-state one is refused."""
    found: dict[int, str] = {}
    shared: dict[str, set[str]] = {}
    for gate in gates:
        if gate.cell not in shared:
            pins = library.groups[gate.cell].named("pin")
            shared[gate.cell] = {pin.label for pin in pins if "three_state" in pin.values}
        for pin in library.cell(gate.cell).outputs:
            net = gate.pins.get(pin, -1)
            if net >= 0 and pin not in shared[gate.cell]:
                if net in found:
                    raise InputError(
                        f"Netlist: a net must have one driver, not cells {shown(found[net])} and "
                        f"{shown(gate.name)}"
                    )
                found[net] = gate.name
    return set(found)


def _gate(name: str, entry: dict[str, Any], library: Library, net: Any) -> Gate | None:
    if entry["type"] == "$scopeinfo" or not any(entry["connections"].values()):
        return None
    cell = library.cell(entry["type"])
    group = library.groups[cell.name]
    supplies = {*POWER, *(pin.label.upper() for pin in group.named("pg_pin"))}
    wired = {pin: bits[0] for pin, bits in entry["connections"].items() if bits}
    for pin in cell.inputs:
        if pin not in wired:
            raise InputError(f"Netlist: cell {shown(name)}, input {pin!r} must be connected")
    for pin in wired:
        if pin not in cell.pins and pin.upper() not in supplies:
            raise InputError(
                f"Netlist: cell {shown(name)} must have pins of {cell.name!r}, not {shown(pin)}"
            )
    return Gate(
        name=name,
        cell=cell.name,
        pins={
            pin: net(bit)
            for pin, bit in wired.items()
            if pin in cell.inputs or (pin in cell.outputs and isinstance(bit, int))
        },
    )
