"""Repair after placement: what a flow does to the cells of a design once its wires are known.

A design that meets its period with its wires stays as it is, to the last bit, unless its limits are
asked for (`RepairOptions.always`). Of another one the buffers of synthesis are taken out, it is
placed, ports get buffers where asked, cells are sized to their wires and pins, limits of the
library are repaired (`limits.py`), then set-up times (`setup.py`). Not done: hold times, swapped
pins, cloned gates; cells are not put in rows again.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ..liberty.liberty import Library
from ..netlist.netlist import Netlist
from ..placement.clocked import clock_cone
from ..placement.wires import Laid, Placing, Wires, array_wires, laid, placed_wires
from .arrivals import Arrivals
from .clocking import Clocking
from .draft import GONE, Draft
from .drives import Drives
from .limits import Limits
from .moves import Moves
from .setup import Setup
from .unbuffered import without_buffers


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairOptions:
    """What is repaired, and with what."""

    clocking: Clocking
    avoided: tuple[str, ...] = ()
    """Patterns of cells that are never chosen (`*lpflow*`)."""
    buffer_ports: bool = False
    """A buffer at every port, as flows for chips have it."""
    margin_ns: float = 0.0
    """Slack that is asked for."""
    always: bool = False
    """Ports, sizes and limits of a design that meets its period, too, as OpenROAD's flow has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slack:
    """Of all ends of paths, ns."""

    worst_ns: float
    total_ns: float
    """The sum of those below 0."""
    late: int
    """Ends below 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Repaired:
    """The netlist and its wires after repair; the ones given where the period is met."""

    netlist: Netlist
    found: Laid = field(repr=False)
    placed: Laid = field(repr=False)
    """The netlist that was given, before anything was done to it."""
    before: Slack
    """As mapped and placed."""
    after: Slack
    resized: int = 0
    """Cells of the mapped netlist that are others now."""
    inserted: int = 0
    """Buffers."""
    removed: int = 0
    """Buffers of the mapped netlist."""
    area: float
    """Of all cells, in the library's unit."""
    growth: float
    """Area over that of the mapped netlist, less 1."""

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return self.found is not self.placed

    def to_dict(self) -> dict[str, Any]:
        """Facts for a report."""
        return {
            "resized": self.resized,
            "inserted": self.inserted,
            "removed": self.removed,
            "area_um2": self.area,
            "area_growth": self.growth,
            "slack_before_ns": self.before.worst_ns,
            "slack_after_ns": self.after.worst_ns,
            "total_negative_before_ns": self.before.total_ns,
            "total_negative_after_ns": self.after.total_ns,
            "late_before": self.before.late,
            "late_after": self.after.late,
        }


def repaired(
    netlist: Netlist,
    library: Library,
    placing: Placing,
    slew_ns: float,
    cache: Path,
    options: RepairOptions,
) -> Repaired:
    """Place the netlist and repair it; placements are kept below `cache`."""
    if netlist.macros:
        raise InputError("Netlist must have no memories to be repaired, not some")
    clock, area = clock_cone(netlist, library), netlist.area(library)
    found = laid(netlist, library, placing, slew_ns, cache)
    drives = Drives(library, options.avoided, found.footprints.cells)
    arrivals = Arrivals(Draft(netlist, library, found), drives, options.clocking, clock)
    before = slack_of(arrivals)
    if before.worst_ns >= options.margin_ns and not options.always:
        return Repaired(
            netlist=netlist, found=found, placed=found, before=before, after=before, area=area,
            growth=0.0,
        )  # fmt: skip
    bare = without_buffers(netlist, library, clock)
    draft = Draft(bare, library, laid(bare, library, placing, slew_ns, cache))
    arrivals = Arrivals(draft, drives, options.clocking, clock)
    repair_draft(draft, drives, arrivals, options)
    names = {gate.name: gate.cell for gate in netlist.gates}
    finished, now = draft.finished()
    resized = sum(names.get(gate.name, gate.cell) != gate.cell for gate in finished.gates)
    total = finished.area(library)
    return Repaired(
        netlist=finished,
        found=now,
        placed=found,
        before=before,
        after=slack_of(Arrivals(draft, drives, options.clocking, clock)),
        resized=resized,
        inserted=sum(cell != GONE for cell in draft.cells[len(bare.gates) :]),
        removed=len(netlist.gates) - sum(gate.name in names for gate in finished.gates),
        area=total,
        growth=total / area - 1,
    )


def repaired_wires(
    netlist: Netlist,
    library: Library,
    placing: Placing,
    slew_ns: float,
    cache: Path,
    options: RepairOptions | None,
) -> tuple[Netlist, Wires]:
    """An array or unit, repaired with options, and its wires; without them it is only placed."""
    if options is None:
        return netlist, placed_wires(netlist, library, placing, slew_ns, cache)
    done = repaired(netlist, library, placing, slew_ns, cache, options)
    return done.netlist, array_wires(done.netlist, library, done.found)


def repair_draft(draft: Draft, drives: Drives, arrivals: Arrivals, options: RepairOptions) -> None:
    """Ports, sizes, limits and set-up times, in the order in which OpenROAD's flow has them."""
    if options.buffer_ports:
        _buffer_ports(draft, drives, arrivals)
    limits = Limits(draft, drives, arrivals)
    limits.size()
    limits.repair()
    moves = Moves(draft, drives, arrivals, limits)
    Setup(draft, arrivals, moves, options.margin_ns).repair()


def _buffer_ports(draft: Draft, drives: Drives, arrivals: Arrivals) -> None:
    """The smallest buffer between every port and its pins; ports of the clock have none."""
    for nets in draft.netlist.inputs.values():
        for net in nets:
            if net >= 0 and net not in arrivals.ideal and draft.sinks[net]:
                draft.insert_behind_port(net, drives.smallest)
    for nets in draft.netlist.outputs.values():
        for net in nets:
            if net >= 0 and net not in arrivals.ideal and draft.driver[net] is not None:
                draft.insert_before_port(net, drives.smallest)
    arrivals.update()


def slack_of(arrivals: Arrivals) -> Slack:
    """The figures of all ends."""
    return Slack(
        worst_ns=arrivals.worst()[0],
        total_ns=arrivals.total_negative(),
        late=len(arrivals.violating()),
    )
