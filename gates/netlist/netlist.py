"""Gate netlists: designs mapped by yosys to a Liberty, as cells between numbered nets.

One clock, flip-flops without clear or preset that its rising edge moves, no three-state, no latch:
what the generators of `rtl/` become. Anything else is refused by name.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...spec.errors import InputError
from ..liberty.cells import Cell
from ..liberty.liberty import Library
from ..liberty.table import Floats

CLOCK = "clk"
ZERO, ONE = -2, -1
"""Nets that are constants: the last two entries of an array with one entry per net and two more."""
_CONSTANTS = {"0": ZERO, "1": ONE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """An instance: net number, `ZERO` or `ONE` by pin; an unconnected output is not among them."""

    name: str
    cell: str
    pins: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Macro:
    """A memory that is not made of gates: the nets of its inputs, without clock, and outputs."""

    name: str
    cell: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Netlist:
    """A flat netlist of `nets` nets; ports are net numbers, low bit first, without the clock."""

    gates: tuple[Gate, ...]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    clock: int | None
    """None: the module has no clock."""
    nets: int
    macros: tuple[Macro, ...] = ()
    bits: Mapping[int, int] = field(default_factory=dict, repr=False)
    """Net by yosys's number of a bit."""

    def area(self, library: Library) -> float:
        """Sum of the cells', in the library's unit."""
        return sum(library.cell(gate.cell).area for gate in self.gates)

    def counts(self) -> dict[str, int]:
        """Instances by cell."""
        found: dict[str, int] = {}
        for gate in self.gates:
            found[gate.cell] = found.get(gate.cell, 0) + 1
        return dict(sorted(found.items()))


def net_loads(netlist: Netlist, library: Library, wire_factor: float = 0.0) -> Floats:
    """(nets,) fF: input pins on each net, and wires as `wire_factor` times as much.

    Output ports drive nothing outside.
    """
    loads = np.zeros(netlist.nets)
    for gate in netlist.gates:
        cell = library.cell(gate.cell)
        for pin in cell.inputs:
            net = gate.pins[pin]
            if net < 0:
                continue
            capacitance = cell.pins[pin].capacitance_ff
            if capacitance is None:
                raise InputError(
                    f"Liberty {library.where!r}, cell {cell.name!r}, pin {pin!r} must have a "
                    "capacitance, not none"
                )
            loads[net] += capacitance
    return loads * (1.0 + wire_factor)


def parse_netlist(
    text: str, top: str, library: Library, *, is_macro: Callable[[str], bool] = lambda cell: False
) -> Netlist:
    """The netlist in yosys's JSON; every cell is checked against the library.

    is_macro: whether a kind of cell is a memory, which is no gate.
    """
    numbers = _Numbers()
    try:
        module = json.loads(text)["modules"][top]
        cells = sorted(module["cells"].items())
        gates = tuple(
            _gate(name, entry, numbers, library)
            for name, entry in cells
            if not is_macro(entry["type"])
        )
        clocks = module["ports"].get(CLOCK, {"bits": []})["bits"]
        macros = tuple(
            _macro(name, entry, numbers, clocks) for name, entry in cells if is_macro(entry["type"])
        )
        ports = {
            str(name): (port["direction"], tuple(numbers[bit] for bit in port["bits"]))
            for name, port in module["ports"].items()
        }
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"Netlist must be yosys JSON with a module {top!r}: {error}") from None
    clock = ports[CLOCK][1][0] if CLOCK in ports else None
    netlist = Netlist(
        gates=gates,
        inputs={n: nets for n, (d, nets) in ports.items() if d == "input" and n != CLOCK},
        outputs={n: nets for n, (d, nets) in ports.items() if d == "output"},
        clock=clock,
        nets=len(numbers.found),
        macros=macros,
        bits=numbers.found,
    )
    _check_clock(netlist, library, clock)
    return netlist


class _Numbers:
    """Nets numbered in the order in which they are met."""

    def __init__(self) -> None:
        self.found: dict[int, int] = {}

    def __getitem__(self, bit: Any) -> int:
        if isinstance(bit, int):
            return self.found.setdefault(bit, len(self.found))
        if bit not in _CONSTANTS:
            raise InputError(f"Net must be a wire, 0 or 1, not {bit!r}")
        return _CONSTANTS[bit]


def _gate(name: str, entry: dict[str, Any], numbers: _Numbers, library: Library) -> Gate:
    cell = library.cell(entry["type"])
    what = f"Netlist: cell {cell.name!r}"
    refusal = cell.refusal
    if cell.ff is not None and cell.ff.asynchronous:
        refusal = "it has an asynchronous clear or preset"
    if refusal:
        raise InputError(f"{what} must be a gate or a plain flip-flop, but {refusal}")
    wired = {pin: bits[0] for pin, bits in entry["connections"].items() if bits}
    for pin in cell.inputs:
        if pin not in wired:
            raise InputError(f"{what}, input {pin!r} must be connected")
    pins = {
        pin: numbers[wired[pin]]
        for pin in cell.pins
        if pin in wired and (pin in cell.inputs or isinstance(wired[pin], int))
    }
    return Gate(name=name, cell=cell.name, pins=pins)


def _macro(name: str, entry: dict[str, Any], numbers: _Numbers, clocks: list[int]) -> Macro:
    ends: dict[str, list[int]] = {"input": [], "output": []}
    for port, wired in entry["connections"].items():
        wires = [bit for bit in wired if isinstance(bit, int) and bit not in clocks]
        ends[entry["port_directions"][port]] += [numbers[bit] for bit in wires]
    return Macro(
        name=name,
        cell=entry["type"],
        inputs=tuple(sorted(set(ends["input"]))),
        outputs=tuple(ends["output"]),
    )


def _check_clock(netlist: Netlist, library: Library, clock: int | None) -> None:
    for gate in netlist.gates:
        cell = library.cell(gate.cell)
        for pin in cell.inputs:
            is_clock = cell.ff is not None and pin == clock_pin(cell)
            if is_clock != (clock is not None and gate.pins[pin] == clock):
                raise InputError(
                    f"Netlist: pin {pin!r} of cell {cell.name!r} must "
                    f"{'be' if is_clock else 'not be'} on the clock {CLOCK!r}"
                )


def clock_pin(cell: Cell) -> str:
    """The pin whose rising edge moves the flip-flop."""
    assert cell.ff is not None
    if cell.ff.clocked_on.tree[0] != "pin":
        raise InputError(f"Cell {cell.name!r} must be clocked by a rising edge")
    return str(cell.ff.clocked_on.tree[1])
