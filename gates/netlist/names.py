"""Names of nets: what the Verilog called them, before gates were made of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .netlist import Netlist

_PLACE = re.compile(r"design\.v:(\d+)")
_REGISTER = re.compile(r"\s*(?:output )?reg\b")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True, eq=False)
class Named:
    """A mapped design; names: of nets."""

    netlist: Netlist
    names: Mapping[int, str]


def named(text: str, top: str, netlist: Netlist, verilog: str) -> Named:
    """The netlist with `net_names`."""
    return Named(netlist=netlist, names=net_names(text, top, netlist, verilog))


def net_names(text: str, top: str, netlist: Netlist, verilog: str) -> dict[int, str]:
    """`unit.unit.signal[bit]` of the nets that have names in yosys's JSON.

    text: what `netlist` was parsed from; verilog: design.v, what yosys read. A net of several names
    (a signal and the ports that it goes through) has that of a register, else the shortest one.
    """
    lines = verilog.splitlines()
    best: dict[int, tuple[tuple[bool, int, str], str]] = {}
    for name, entry in json.loads(text)["modules"][top]["netnames"].items():
        if entry["hide_name"] or name.startswith("$"):
            continue
        whole = len(entry["bits"]) == 1
        rank = (not _is_register(entry["attributes"], lines), len(name), name)
        for bit, wire in enumerate(entry["bits"]):
            net = netlist.bits.get(wire) if isinstance(wire, int) else None
            if net is not None and (net not in best or rank < best[net][0]):
                best[net] = rank, name if whole else f"{name}[{bit}]"
    return {net: name for net, (_, name) in best.items()}


def _is_register(attributes: dict[str, Any], lines: list[str]) -> bool:
    place = _PLACE.search(attributes.get("src", ""))
    return bool(place and _REGISTER.match(lines[int(place[1]) - 1]))


def kind_of(name: str) -> str:
    """The same for all bits of a register, and for all copies of a unit."""
    return _DIGITS.sub("#", re.sub(r"\[\d+\]$", "", name))
