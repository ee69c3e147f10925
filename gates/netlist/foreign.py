"""Gate netlists of other flows: a Verilog of a library's cells as it is, whatever its cells do.

Nothing is mapped or optimized and nothing is asked of the cells but to be in the Liberty: latches,
clock gates, clears and several clocks are taken, for nothing is simulated. Cells without pins
(fill, taps) are left out.
"""

import json
import tempfile
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
    "read_liberty -lib cells.lib; read_verilog netlist.v; hierarchy {top}; flatten; "
    "write_json netlist.json"
)
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
        found = (folder / "netlist.json").read_text(encoding="utf-8")
    return parse_foreign(found, library)


def parse_foreign(text: str, library: Library) -> Netlist:
    """The netlist in yosys's JSON, of the module that is marked as top."""
    modules = json.loads(text)["modules"]
    tops = [m for m in modules.values() if int(m.get("attributes", {}).get("top", "0"), 2)]
    if len(tops) != 1:
        raise InputError(f"Netlist must have one top module, not {len(tops)}")
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
    return Netlist(
        gates=gates,
        inputs={name: nets for name, (way, nets) in ports.items() if way == "input"},
        outputs={name: nets for name, (way, nets) in ports.items() if way != "input"},
        clock=None,
        nets=len(numbers),
        bits=numbers,
    )


def _gate(name: str, entry: dict[str, Any], library: Library, net: Any) -> Gate | None:
    if entry["type"] == "$scopeinfo" or not any(entry["connections"].values()):
        return None
    cell = library.cell(entry["type"])
    wired = {pin: bits[0] for pin, bits in entry["connections"].items() if bits}
    for pin in cell.inputs:
        if pin not in wired:
            raise InputError(f"Netlist: cell {shown(name)}, input {pin!r} must be connected")
    return Gate(
        name=name,
        cell=cell.name,
        pins={
            pin: net(bit)
            for pin, bit in wired.items()
            if pin in cell.inputs or (pin in cell.outputs and isinstance(bit, int))
        },
    )
