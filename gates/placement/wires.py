"""What placement adds to a netlist's energy: wires, repeaters and the clock's tree.

A net whose wires and pins are more than its driver may drive (`max_capacitance`) gets repeaters: as
many buffers as its load needs, side by side, and buffers before them until the driver can drive
those. Its wires are the Steiner tree of its pins; R and C are the user's, per um.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ..liberty.liberty import Library
from ..netlist.netlist import Netlist, net_loads
from .buffers import Buffer, choose_buffer, most_load_ff
from .clock_tree import ClockTree, clock_tree
from .footprints import Footprints, from_areas, read_lef
from .kept import kept_placement
from .placer import Placement, PlaceOptions, pin_places, pin_positions
from .steiner import half_perimeters, steiner_lengths
from .wire_rc import WireRC, read_rc
from .wiring import Wiring, clock_sinks, wiring_of

Floats = npt.NDArray[np.float64]
_PS = 1e-6
"""ns of an ohm times a fF."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placing:
    """What a placement is made from: the user's files and options."""

    rc: Path
    lef: tuple[Path, ...] = ()
    """Empty: cells are their Liberty areas in rows of `row_um`."""
    row_um: float | None = None
    options: PlaceOptions = field(default_factory=PlaceOptions)

    def __post_init__(self) -> None:
        if bool(self.lef) == (self.row_um is not None):
            raise InputError("Placement must have either LEF files or a row height (um)")

    def footprints(self, library: Library) -> Footprints:
        if self.lef:
            return read_lef(self.lef)
        assert self.row_um is not None
        return from_areas(library, self.row_um)


@dataclass(frozen=True, kw_only=True, eq=False)
class Repeaters:
    """Of every net, (nets,)."""

    count: npt.NDArray[np.int64]
    driver_ff: Floats
    """What is left for the net's own driver."""
    edge_fj: Floats
    """Internal energy per change of the net."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetWires:
    """Of a netlist's nets, (nets,); those with a clock tree have their wires in it."""

    wire_um: Floats
    wire_ff: Floats
    half_perimeter_um: float
    repeaters: Repeaters
    buffer: Buffer
    core_um: tuple[float, float]

    @property
    def repeater_ff(self) -> Floats:
        """(nets,) input pins of repeaters."""
        return np.asarray(self.repeaters.count * self.buffer.input_ff, float)


@dataclass(frozen=True, kw_only=True, eq=False)
class Wires(NetWires):
    """With one tree, of the netlist's clock."""

    clock: ClockTree
    delay_ns: Floats
    """(nets,) of the wire by its own R and C, R C / 2."""
    sources: tuple[str, str]
    """Of footprints, and of R and C."""

    def to_dict(self) -> dict[str, Any]:
        """Facts for a report."""
        return {
            "footprints": self.sources[0],
            "rc": self.sources[1],
            "core_um": [round(side, 3) for side in self.core_um],
            "wire_um": float(self.wire_um.sum()),
            "half_perimeter_um": self.half_perimeter_um,
            "repeaters": int(self.repeaters.count.sum()),
            "buffer": self.buffer.name,
            "clock_buffers": self.clock.buffers,
            "clock_levels": self.clock.levels,
            "clock_wire_um": self.clock.wire_um,
            "longest_wire_delay_ns": float(self.delay_ns.max(initial=0.0)),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Laid:
    """A placed netlist: where its pins are, and the length of every net."""

    rc: WireRC
    buffer: Buffer
    footprints: Footprints
    wiring: Wiring
    placement: Placement
    x: Floats
    """(pins,) um, as y."""
    y: Floats
    lengths: Floats
    """(nets,) um of Steiner trees."""

    @classmethod
    def of(
        cls, wiring: Wiring, placement: Placement, *,
        footprints: Footprints, rc: WireRC, buffer: Buffer,
    ) -> "Laid":  # fmt: skip
        """Measure a placement."""
        x, y = pin_positions(wiring, footprints, placement)
        return cls(
            rc=rc,
            buffer=buffer,
            footprints=footprints,
            wiring=wiring,
            placement=placement,
            x=x,
            y=y,
            lengths=steiner_lengths(x, y, wiring.starts),
        )

    @property
    def half_perimeter_um(self) -> float:
        return float(half_perimeters(self.x, self.y, self.wiring.starts).sum())

    @property
    def core_um(self) -> tuple[float, float]:
        return self.placement.width, self.placement.height


def laid(netlist: Netlist, library: Library, placing: Placing, slew_ns: float, cache: Path) -> Laid:
    """Place the netlist; the placement is kept below `cache`."""
    footprints, wiring = placing.footprints(library), wiring_of(netlist)
    placement = kept_placement(wiring, footprints, placing.options, cache)
    rc, buffer = read_rc(placing.rc, library), choose_buffer(library, slew_ns)
    return Laid.of(wiring, placement, footprints=footprints, rc=rc, buffer=buffer)


def placed_wires(
    netlist: Netlist, library: Library, placing: Placing, slew_ns: float, cache: Path
) -> Wires:
    """Place the netlist; the placement is kept below `cache`."""
    return array_wires(netlist, library, laid(netlist, library, placing, slew_ns, cache))


def array_wires(netlist: Netlist, library: Library, found: Laid) -> Wires:
    """Wires, repeaters and the clock's tree of a netlist that is placed."""
    rc, buffer, wire_ff = found.rc, found.buffer, found.lengths * found.rc.signal.ff
    return Wires(
        wire_um=found.lengths,
        wire_ff=wire_ff,
        repeaters=repeaters(netlist, library, net_loads(netlist, library) + wire_ff, buffer),
        buffer=buffer,
        clock=_tree(netlist, library, found),
        half_perimeter_um=found.half_perimeter_um,
        delay_ns=found.lengths**2 * (rc.signal.ohm * rc.signal.ff / 2 * _PS),
        core_um=found.core_um,
        sources=(found.footprints.source, rc.source),
    )


def repeaters(netlist: Netlist, library: Library, loads: Floats, buffer: Buffer) -> Repeaters:
    """loads: (nets,) fF of pins and wires."""
    limits = np.full(netlist.nets, buffer.limit_ff)  # what drives a port is a buffer too
    known: dict[tuple[str, str], float] = {}
    for gate in netlist.gates:
        for pin in library.cell(gate.cell).outputs:
            net = gate.pins.get(pin, -1)
            if net >= 0:
                key = gate.cell, pin
                if key not in known:
                    known[key] = most_load_ff(library, *key)
                limits[net] = known[key]
    if netlist.clock is not None:
        limits[netlist.clock] = np.inf
    count, edge = np.zeros(netlist.nets, np.int64), np.zeros(netlist.nets)
    left = loads.copy()
    for net in np.flatnonzero(loads > limits).tolist():
        while left[net] > max(limits[net], buffer.input_ff):
            stage = int(np.ceil(left[net] / buffer.limit_ff))
            count[net] += stage
            edge[net] += stage * buffer.edge_fj(left[net] / stage)
            left[net] = stage * buffer.input_ff
            if stage == 1:
                break
    return Repeaters(count=count, driver_ff=left, edge_fj=edge)


def _tree(netlist: Netlist, library: Library, found: Laid) -> ClockTree:
    sinks = clock_sinks(netlist, library)
    instances = np.array([instance for instance, _ in sinks], np.int64)
    cells = [gate.cell for gate in netlist.gates]
    offsets = [found.footprints.of(cells[instance]).pin(pin) for instance, pin in sinks]
    dx, dy = _columns(offsets)
    x, y = pin_places(found.placement, found.footprints, cells, instances, dx, dy)
    pin_ff = np.array([library.cell(cells[i]).pins[pin].capacitance_ff or 0.0 for i, pin in sinks])
    root = found.placement.width / 2, 0.0
    return clock_tree(x, y, pin_ff, root, found.rc.clock.ff, found.buffer)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    both = np.array(pairs, float).reshape(-1, 2)
    return both[:, 0], both[:, 1]
