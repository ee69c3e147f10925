"""OpenSTA as a second opinion: the same netlist, library and activity, and its `report_power`.

OpenSTA 2.0.17, Debian's package `opensta`. What it takes and how it counts was found by running it
(`set_debug power 3`) and is described with its source, search/Power.cc of that time:

* It has no `read_vcd` or `read_saif`, and `set_power_activity -pins` fails in its own Tcl. The
  command below it, `::sta::set_power_pin_activity PIN CHANGES_PER_CYCLE DUTY`, works.
* Then it propagates activities through the cells' timing arcs and overwrites what was set. A
  library without timing arcs leaves every driver a root, whose activity stays as stated, and wires
  carry it to the pins. So the library is handed over without its `timing` groups; delays are not
  asked for, and energies do not depend on them.
* It adds wires of the library's `default_wire_load` to every net: that is not handed over either.
* A flip-flop's output keeps what was stated only if its inputs have an activity too: all pins do.
* Changes are per cycle of the clock that reaches a gate. Without arcs none does: an input delay on
  every input pin names it. Transition times are annotated, one for all pins, as in `gate_energy`.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...spec.errors import InputError
from ..liberty.liberty import Library
from ..liberty.table import Floats
from ..netlist.arcs import state_values
from ..netlist.netlist import ONE, ZERO, Netlist
from ..play.simulation import Switching, state_pins
from .energy import Assumptions

VERSIONS = "2.0."
"""Later ones count activity in changes per second, not per cycle."""
TOP = "gates"
_LIBRARY, _NETLIST, _SCRIPT = "cells.lib", "gates.v", "power.tcl"
_DIGITS = 9
_SKIPPED = re.compile(r'/\*.*?\*/|"[^"]*"|\btiming\s*\([^)]*\)\s*\{', re.DOTALL)
_WIRES = re.compile(r"\bdefault_wire_load(?:_selection)?\s*:[^;\n}]*;?")
_EDGE_CAPACITANCES = re.compile(r"\b(?:rise|fall)_capacitance\s*:[^;\n}]*;?")
_ROW = re.compile(r"\s*((?:[-+.\deE]+\s+){4})(\S+)\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """W of one instance, as `report_power -instances` prints them."""

    internal: float
    switching: float
    leakage: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """Stated activity of every net."""

    changes: Floats
    """(nets,) per cycle."""
    duty: Floats
    """(nets,) share of the cycles in which the net is 1."""


def find_open_sta() -> str:
    """The program; absent or of another version it is refused."""
    found = shutil.which("sta")
    if found is None:
        raise InputError("OpenSTA must be installed, not absent: apt-get install opensta")
    done = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)
    version = (done.stdout + done.stderr).strip()
    if not version.startswith(VERSIONS):
        raise InputError(f"OpenSTA must be version {VERSIONS}x, not {version[:40]!r}")
    return found


def measured_activity(netlist: Netlist, library: Library, switching: Switching) -> Activity:
    """Changes and duty of every net in the counted cycles."""
    duty = np.zeros(netlist.nets)
    for gate, counts in zip(netlist.gates, switching.transitions, strict=True):
        values = state_values(library.cell(gate.cell), state_pins(gate, library))
        after = counts.sum(axis=0, dtype=np.int64)
        for pin, net in gate.pins.items():
            if net >= 0 and pin in values:
                duty[net] = after @ values[pin] / switching.cycles
    return Activity(changes=switching.toggles / switching.cycles, duty=duty)


def gate_powers(
    netlist: Netlist,
    library: Library,
    liberty_text: str,
    activity: Activity,
    assumptions: Assumptions,
) -> list[Power]:
    """OpenSTA's power of every gate, in the netlist's order.

    liberty_text: from `energies_only`, of the library that the netlist is mapped to.
    """
    program = find_open_sta()
    with tempfile.TemporaryDirectory(prefix="adqhw_sta_") as name:
        folder = Path(name)
        texts = {
            _LIBRARY: liberty_text,
            _NETLIST: sta_verilog(netlist),
            _SCRIPT: sta_script(netlist, library, activity, assumptions),
        }
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [program, "-no_splash", "-exit", _SCRIPT],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
    found = parse_report_power(done.stdout)
    missing = [n for n in range(len(netlist.gates)) if f"g{n}" not in found]
    if done.returncode or missing:
        said = [line for line in (done.stderr + done.stdout).splitlines() if "Error" in line]
        raise InputError(
            f"OpenSTA must report {len(netlist.gates)} gates, not {len(found)}: "
            f"{said[-1][:300] if said else f'it ended with {done.returncode}'}"
        )
    return [found[f"g{n}"] for n in range(len(netlist.gates))]


def energies_only(text: str, *, one_capacitance: bool = False) -> str:
    """A Liberty's text without `timing` groups and default wire load, both of which OpenSTA uses.

    one_capacitance: also without rise and fall capacitances, so that `capacitance` counts.
    """
    parts, at = [], 0
    while (found := _SKIPPED.search(text, at)) is not None:
        if found[0].endswith("{"):
            parts.append(text[at : found.start()])
            at = _group_end(text, found.end())
        else:
            parts.append(text[at : found.end()])
            at = found.end()
    kept = "".join([*parts, text[at:]])
    kept = _WIRES.sub("", kept)
    return _EDGE_CAPACITANCES.sub("", kept) if one_capacitance else kept


def _group_end(text: str, at: int) -> int:
    """Behind the brace that closes the group whose content begins at `at`."""
    depth = 1
    for found in re.compile(r'/\*.*?\*/|"[^"]*"|[{}]', re.DOTALL).finditer(text, at):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    raise InputError("Liberty must close every timing group, not end within one")


def sta_verilog(netlist: Netlist) -> str:
    """Net i is `n<i>`, gate i is `g<i>`: no name needs escaping."""
    inputs = [net for nets in netlist.inputs.values() for net in nets]
    inputs += [] if netlist.clock is None else [netlist.clock]
    driven = {net for nets in netlist.outputs.values() for net in nets if net >= 0}
    outputs = sorted(driven - set(inputs))
    lines = [f"module {TOP} ({', '.join(_net(net) for net in [*inputs, *outputs])});"]
    lines += [f"  input {_net(net)};" for net in inputs]
    lines += [f"  output {_net(net)};" for net in outputs]
    lines += [f"  wire {_net(net)};" for net in range(netlist.nets) if net not in driven]
    for number, gate in enumerate(netlist.gates):
        pins = ", ".join(f".{pin}({_net(net)})" for pin, net in gate.pins.items())
        lines.append(f"  {gate.cell} g{number} ({pins});")
    return "\n".join([*lines, "endmodule", ""])


def _net(net: int) -> str:
    return {ZERO: "1'b0", ONE: "1'b1"}.get(net, f"n{net}")


def sta_script(
    netlist: Netlist, library: Library, activity: Activity, assumptions: Assumptions
) -> str:
    """Tcl that states period, transition times and the activity of every pin, and reports."""
    lines = [
        "set link_make_black_boxes 0",  # an unknown cell would have no power
        f"read_liberty {_LIBRARY}", f"read_verilog {_NETLIST}", f"link_design {TOP}",
        "set_cmd_units -time ns -capacitance fF -voltage V -power W",
    ]  # fmt: skip
    # A clock without port still gives cycles their length.
    source = "" if netlist.clock is None else f" [get_ports n{netlist.clock}]"
    lines.append(f"create_clock -name clk -period {assumptions.period_ns:.9g}{source}")
    lines += [
        f"::sta::set_power_input_port_activity [get_ports n{net}] {_stated(activity, net)}"
        for nets in netlist.inputs.values()
        for net in nets
    ]
    for number, gate in enumerate(netlist.gates):
        inputs = library.cell(gate.cell).inputs
        for pin, net in gate.pins.items():
            lines.append(f"set pin [get_pins g{number}/{pin}]")
            lines.append(f"set_assigned_transition {assumptions.slew_ns:.9g} $pin")
            if net != netlist.clock:
                if pin in inputs:
                    lines.append("set_input_delay 0 -clock clk $pin")
                stated = _stated(activity, net)
                lines.append(f"::sta::set_power_pin_activity [lindex $pin 0] {stated}")
    lines.append(f"report_power -instances [get_cells *] -digits {_DIGITS}")
    return "\n".join([*lines, ""])


def _stated(activity: Activity, net: int) -> str:
    """Changes per cycle and duty, as Tcl's arguments; constants never change."""
    if net < 0:
        return f"0 {int(net == ONE)}"
    return f"{activity.changes[net]:.9g} {activity.duty[net]:.9g}"


def parse_report_power(text: str) -> dict[str, Power]:
    """Instances of `report_power -instances`: internal, switching, leakage, total, name."""
    found = {}
    for line in text.splitlines():
        row = _ROW.fullmatch(line)
        if row is None:
            continue
        internal, switching, leakage, _ = (float(word) for word in row[1].split())
        found[row[2]] = Power(internal=internal, switching=switching, leakage=leakage)
    return found
