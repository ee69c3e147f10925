"""The buffer that repeaters and clock trees are made of: which one, its load, its energy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from ...spec.errors import InputError
from ..liberty.liberty import Library
from ..liberty.table import LOAD
from ..netlist.arcs import arc_uses, leakage_nw

FLOW_LOADS = 100
STEPS = 40
"""Halvings of the interval in which the largest load is looked for."""
_TRANSITIONS = "rise_transition", "fall_transition"
_RISE, _FALL = (0, 1), (1, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Buffer:
    """A cell that copies its input; slew_ns: at which its tables are read."""

    name: str
    input: str
    output: str
    input_ff: float
    limit_ff: float
    """The largest load at which the output is no slower than `slew_ns`."""
    leakage_nw: float
    """The mean of both states."""
    slew_ns: float
    library: Library = field(repr=False)

    def edge_fj(self, load_ff: float) -> float:
        """Internal energy of an edge, the mean of a rise and a fall."""
        cell, total = self.library.cell(self.name), 0.0
        for use in arc_uses(cell, (self.input,)):
            weight = sum(float(use.weights[change]) for change in (_RISE, _FALL))
            total += weight * use.table.number_at(self.slew_ns, load_ff)
        return total / 2


def buffers(library: Library) -> list[str]:
    """Usable cells that copy one input to one output, of known capacitance and energy."""
    found = []
    for name in sorted(set(library.groups) - set(library.unusable())):
        cell = library.cell(name)
        if len(cell.inputs) == len(cell.outputs) == 1 and cell.ff is None:
            pin, out = cell.pins[cell.inputs[0]], cell.pins[cell.outputs[0]]
            copies = out.function is not None and out.function.tree == ("pin", pin.name)
            if copies and pin.capacitance_ff and out.powers:
                found.append(name)
    return found


def choose_buffer(library: Library, slew_ns: float) -> Buffer:
    """Of the library's buffers the one that drives a load at the least energy.

    Least is its internal energy and that of its input pin over the largest load that it drives.
    """
    volt = library.voltage**2
    best: tuple[float, str, Buffer] | None = None
    for name in buffers(library):
        buffer = _buffer(library, name, slew_ns)
        if buffer is not None and buffer.limit_ff > 2 * buffer.input_ff:
            energy = buffer.edge_fj(buffer.limit_ff) + 0.5 * volt * buffer.input_ff
            entry = energy / buffer.limit_ff, name, buffer
            best = entry if best is None or entry[:2] < best[:2] else best
    if best is None:
        raise InputError(
            f"Liberty {library.where!r} must have a buffer that keeps transitions within "
            f"{slew_ns:g} ns, not none: no clock tree can be made"
        )
    return best[2]


def flow_clock_buffer(
    library: Library, slew_ns: float, wire_ff: float, avoided: Sequence[str] = ()
) -> Buffer:
    """The buffer that OpenROAD's TritonCTS takes for clock trees if it is told none.

    Candidates are buffers that the Liberty marks as clock cells, else those named so, else all; of
    them the smallest whose load limit is `FLOW_LOADS` times `wire_ff`, that of half a side of the
    core, else the one of the largest limit (`src/cts/src/TritonCTS.cpp`: inferBufferList,
    selectRootBuffer; `CtsOptions.h`: sinkBufferMaxCapDerateDefault_). `avoided`: patterns of cells.
    """
    usable = {}
    for name in buffers(library):
        found = _buffer(library, name, slew_ns)
        if found is not None and not any(fnmatchcase(name, pattern) for pattern in avoided):
            usable[name] = found
    marked = [n for n in usable if library.groups[n].values.get("is_clock_cell") == "true"]
    named = [[n for n in usable if word in n.lower()] for word in ("clkbuf", "buf")]
    names = next((some for some in (marked, *named, [*usable]) if some), [])
    if not names:
        return choose_buffer(library, slew_ns)
    limits = {name: most_load_ff(library, name, usable[name].output) for name in names}
    strong = [name for name in names if limits[name] > FLOW_LOADS * wire_ff]
    if strong:
        return usable[min(strong, key=lambda name: (library.cell(name).area, name))]
    return usable[max(names, key=lambda name: (limits[name], name))]


def buffer_named(library: Library, name: str, slew_ns: float) -> Buffer:
    """A buffer that the user chose."""
    if name not in buffers(library):
        known = ", ".join(buffers(library)) or "none"
        raise InputError(f"Clock buffer must be a buffer of the library ({known}), not {name!r}")
    found = _buffer(library, name, slew_ns)
    if found is None:
        raise InputError(
            f"Clock buffer must keep transitions within {slew_ns:g} ns, not {name!r}, which does "
            "not at any load"
        )
    return found


def most_load_ff(library: Library, cell: str, pin: str) -> float:
    """What an output may drive: its max_capacitance, else the end of its delay tables."""
    for group in library.groups[cell].named("pin"):
        text = group.values.get("max_capacitance") if group.label == pin else None
        if text is not None:
            try:
                found = float(text) * library.units.load_ff
            except ValueError:
                found = float("nan")
            if not 0 < found < float("inf"):
                raise InputError(
                    f"Liberty {library.where!r}, cell {cell!r}: max_capacitance must be a number "
                    f"above 0, not {text[:40]!r}"
                )
            return found
    ends = [
        float(points[-1])
        for arc in library.timings(cell, pin)
        for table in arc.tables.values()
        for variable, points in table.axes
        if variable == LOAD
    ]
    return max(ends, default=float("inf"))


def _buffer(library: Library, name: str, slew_ns: float) -> Buffer | None:
    cell = library.cell(name)
    pin, out = cell.inputs[0], cell.outputs[0]
    tables = [
        arc.tables[kind]
        for arc in library.timings(name, out)
        for kind in _TRANSITIONS
        if kind in arc.tables
    ]
    most = most_load_ff(library, name, out)
    if not tables or not np.isfinite(most):
        return None

    def keeps(load: float) -> bool:
        return max(table.number_at(slew_ns, load) for table in tables) <= slew_ns

    if not keeps(0.0):
        return None
    low, high = (most, most) if keeps(most) else (0.0, most)
    for _ in range(STEPS if low < high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return Buffer(
        name=name,
        input=pin,
        output=out,
        input_ff=cell.pins[pin].capacitance_ff or 0.0,
        limit_ff=low,
        leakage_nw=float(np.mean(leakage_nw(cell, (pin,)))),
        slew_ns=slew_ns,
        library=library,
    )
