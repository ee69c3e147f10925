"""Units of a lane array: which of them each gate of its netlist belongs to.

| unit | what |
| --- | --- |
| control | handshakes, banks, control beside the data; at the top, gates that serve several units |
| lookup | the codebook, its decoders (in the columns of an array that holds nothing), tables |
| station | registers of the next word, and what enables them |
| lanes | registers of operands, weights and products, multipliers |
| trees | adder trees with their registers |
| sums | accumulators, their adders; where weights are held, the memory of sums with both readers |

A flip-flop belongs to the unit that its name says, a gate to the one that it computes for: that of
the flip-flops that its output reaches through gates alone. In a column, where it reaches several,
the first of them in a sum's way. Nets that ports drive are counted with control.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ..liberty.liberty import Library
from ..netlist.names import Named, kind_of
from ..netlist.netlist import Gate, Netlist, clock_pin
from ..play.lanes import LaneModel

UNITS = ("control", "lookup", "station", "lanes", "trees", "sums")
_NUMBER = {name: number for number, name in enumerate(UNITS)}
_WAY = [_NUMBER[name] for name in ("station", "lanes", "trees", "sums", "lookup")]
_COLUMN = "column_#."
_IN_COLUMN = {
    "station_": "station", "total": "trees", "partial_": "trees", "sums": "sums",
    "even_sum": "sums", "odd_sum": "sums", "acc": "sums", "placed": "trees",
    "even_part": "sums", "odd_part": "sums", "add_now": "sums", "restart_now": "sums",
    "place_now": "sums", "ends_now": "sums", "combined": "sums",
}  # fmt: skip
"""Beginnings of registers' names in a column; all others are the lanes'."""
_SHARED = {
    "operand": "lanes", "level_#": "lookup", "codebook.": "lookup", "products.": "lookup",
}  # fmt: skip
"""The same outside the columns, where all others are control's."""
_OUTPUTS = {"accs": "sums", "sums_payload": "sums"}


def units_of(named: Named, model: LaneModel, arch: Arch) -> npt.NDArray[np.int64]:
    """(gates,) numbers of `UNITS`."""
    netlist, library = named.netlist, model.library
    reached = _reached(named, model, arch)
    found = np.zeros(len(netlist.gates), np.int64)
    for number, gate in enumerate(netlist.gates):
        cell, inside = library.cell(gate.cell), in_column(gate)
        nets = [gate.pins[pin] for pin in cell.outputs if gate.pins.get(pin, -1) >= 0]
        if cell.ff is not None:
            found[number] = _register_unit(gate, [named.names.get(net, "") for net in nets])
            continue
        bits = int(np.bitwise_or.reduce(reached[nets])) if nets else 0
        units = [unit for unit in range(len(UNITS)) if bits >> unit & 1]
        if inside:
            found[number] = next((u for u in _WAY if u in units), 0)
        elif len(units) == 1:
            found[number] = units[0]
        if not arch.lanes.stores_levels and not inside and units == [_NUMBER["station"]]:
            found[number] = _NUMBER["lookup"]  # levels are looked up before the station
    return found


def in_column(gate: Gate) -> bool:
    """Whether a gate comes from a column."""
    return "column_" in gate.name.split("$abc$")[0].split("$auto$")[0]


def _register_unit(gate: Gate, names: list[str]) -> int:
    """Of a flip-flop, by the names of its outputs' nets."""
    kinds = [kind_of(name) for name in names if name]
    table: Mapping[str, str] = _SHARED
    rest = "control"
    if in_column(gate):
        table, rest = _IN_COLUMN, "lanes"
        kinds = [kind.removeprefix(_COLUMN) for kind in kinds]
    for kind in kinds:
        for start, unit in table.items():
            if kind.startswith(start):
                return _NUMBER[unit]
    return _NUMBER[rest]


def _reached(named: Named, model: LaneModel, arch: Arch) -> npt.NDArray[np.int64]:
    """(nets + 2,) bits of the units whose flip-flops a net reaches through gates.

    Registers of levels in the columns of an array that holds nothing count as `lookup`, since what
    drives them are the decoders.
    """
    netlist, library = named.netlist, model.library
    reached = np.zeros(netlist.nets + 2, np.int64)
    for name, nets in netlist.outputs.items():
        reached[list(nets)] |= 1 << _NUMBER[_OUTPUTS.get(name, "control")]
    decoded = not (arch.holds or arch.lanes.stores_levels)
    for gate in netlist.gates:
        cell = library.cell(gate.cell)
        if cell.ff is None:
            continue
        names = [named.names.get(gate.pins[p], "") for p in cell.outputs if p in gate.pins]
        unit = _register_unit(gate, names)
        if decoded and any(kind_of(name).startswith(f"{_COLUMN}level_") for name in names):
            unit = _NUMBER["lookup"]
        data = [gate.pins[pin] for pin in cell.inputs if pin != clock_pin(cell)]
        _mark(reached, data, 1 << unit)
    for first, count, _, net in model.nodes[::-1].tolist():
        _mark(reached, model.pins[first : first + count].tolist(), int(reached[net]))
    return reached


def _mark(reached: npt.NDArray[np.int64], nets: list[int], bits: int) -> None:
    for net in nets:
        if net >= 0:  # constants are below, or the last two
            reached[net] |= bits


def areas(netlist: Netlist, library: Library, units: npt.NDArray[np.int64]) -> dict[str, float]:
    """Cells' area by unit, in the library's unit."""
    gates = netlist.gates
    cells = np.array([library.cell(gate.cell).area for gate in gates])
    return dict(zip(UNITS, np.bincount(units, cells, len(UNITS)).tolist(), strict=True))
