"""A netlist without the buffers that synthesis put in: placement and repair put in their own.

OpenROAD's flow removes them before it places (`remove_buffers`): they were chosen without wires.
Buffers of the clock, and those from a port to a port, stay.
"""

from collections.abc import Iterable
from dataclasses import replace

from ..liberty.liberty import Library
from ..netlist.netlist import Netlist
from ..netlist.worst_paths import is_buffer


def without_buffers(netlist: Netlist, library: Library, clock: Iterable[int]) -> Netlist:
    """clock: nets whose buffers stay. Nets keep their numbers; some have no pins any more."""
    kept = frozenset(clock)
    inputs = {net for nets in netlist.inputs.values() for net in nets}
    outputs = {net for nets in netlist.outputs.values() for net in nets}
    merged: dict[int, int] = {}

    def one(net: int) -> int:
        while net in merged:
            net = merged[net]
        return net

    gone = set()
    for number, gate in enumerate(netlist.gates):
        cell = library.cell(gate.cell)
        if not is_buffer(cell):
            continue
        source, out = one(gate.pins[cell.inputs[0]]), gate.pins.get(cell.outputs[0], -1)
        if source < 0 or out < 0 or {source, out} & kept:
            continue
        if out not in outputs:
            merged[out] = source
        elif source not in inputs | outputs:
            merged[source] = out  # a port's net keeps its number
        else:
            continue
        gone.add(number)
    gates = tuple(
        replace(gate, pins={pin: one(net) for pin, net in gate.pins.items()})
        for number, gate in enumerate(netlist.gates)
        if number not in gone
    )
    return replace(netlist, gates=gates)
