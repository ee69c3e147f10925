"""Energy of a gate netlist: transition counts times the Liberty's tables, in four parts.

| part | what |
| --- | --- |
| internal | internal power of every edge of data pins, by state (`gate_arcs`) |
| switching | 1/2 C V^2 per change of a data net; C: input pins, and wires as a stated factor |
| clock | internal power of the flip-flops' clock pins, and C V^2 of their pins per cycle |
| leakage | leakage by state times the clock period |

With `Wires` of a placement, switching has the wires and the repeaters' pins, internal energy the
repeaters, clock the tree. Not in it: glitches (zero delay), what drives the inputs; without a
placement neither wires nor the clock's tree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ..liberty.liberty import Library
from ..liberty.table import SLEW, Floats
from ..netlist.arcs import CLOCK, ArcUse, arc_uses, leakage_nw
from ..netlist.netlist import ZERO, Netlist, clock_pin, net_loads
from ..placement.wires import Wires
from ..play.simulation import Switching, state_pins

PARTS = ("internal", "switching", "clock", "leakage")
CLOCK_PART = PARTS.index("clock")


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """Assumptions beside Liberty and netlist; printed with every result."""

    slew_ns: float
    """Transition time of every pin, at which tables are read."""
    period_ns: float
    """Clock period: how long a cycle leaks."""
    wire_factor: float = 0.0
    """Capacitance of a net's wires as a multiple of that of the pins it drives."""

    def __post_init__(self) -> None:
        for name, least in (("slew_ns", True), ("period_ns", True), ("wire_factor", False)):
            value = getattr(self, name)
            if not (np.isfinite(value) and (value > 0 if least else value >= 0)):
                bound = "positive" if least else "at least 0"
                raise InputError(f"Assumption {name} must be {bound}, not {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class GateEnergy:
    """fJ of `cycles` cycles; the parts sum to the total."""

    internal_fj: float
    switching_fj: float
    clock_fj: float
    leakage_fj: float
    cycles: int

    @property
    def total_fj(self) -> float:
        return self.internal_fj + self.switching_fj + self.clock_fj + self.leakage_fj

    @property
    def parts(self) -> dict[str, float]:
        """fJ by part."""
        return {part: getattr(self, f"{part}_fj") for part in PARTS}


def middle_slew_ns(library: Library, netlist: Netlist) -> float:
    """The middle point of the slew axes of the netlist's tables: well inside all of them."""
    axes = {
        tuple(points)
        for name in netlist.counts()
        for pin in library.cell(name).pins.values()
        for arc in pin.powers
        for table in (arc.rise, arc.fall)
        for variable, points in table.axes
        if variable == SLEW
    }
    if not axes:
        raise InputError(
            f"Slew must be given: the tables of Liberty {library.where!r} do not depend on it"
        )
    longest = max(sorted(axes), key=len)
    return float(longest[len(longest) // 2])


def gate_energy(
    netlist: Netlist,
    library: Library,
    switching: Switching,
    assumptions: Assumptions,
    wires: Wires | None = None,
) -> GateEnergy:
    """Energy of the counted cycles. wires: of a placement."""
    everything = np.zeros(len(netlist.gates), np.int64)
    (energy,) = energies(netlist, library, switching, assumptions, everything, 1, wires)
    return energy


def together(parts: Sequence[GateEnergy]) -> GateEnergy:
    """Of groups of gates in the same cycles."""
    sums = {f"{part}_fj": sum(one.parts[part] for one in parts) for part in PARTS}
    return GateEnergy(**sums, cycles=parts[0].cycles)


def energies(
    netlist: Netlist,
    library: Library,
    switching: Switching,
    assumptions: Assumptions,
    group: npt.NDArray[np.int64],
    groups: int,
    wires: Wires | None = None,
) -> list[GateEnergy]:
    """The same by groups of gates; group: (gates,) number of each one's.

    A net belongs to the gate that drives it; nets that ports drive belong to group 0. The clock's
    tree belongs to the flip-flops in equal shares.
    """
    if switching.cycles < 1:
        raise InputError("Switching must have at least 1 counted cycle, not 0")
    key = np.asarray(group, np.int64).tobytes()
    prices = _prices(netlist, library, assumptions, key, groups, wires)
    found = np.zeros((groups, len(PARTS)))
    found[:, CLOCK_PART] = prices.clock_fj * switching.cycles
    found[:, 3] = prices.leakage_nw * (switching.cycles * assumptions.period_ns * 1e-3)
    for kind in prices.kinds:
        by_part = _kind_energy(kind, switching)
        found[kind.group, [0, CLOCK_PART]] += by_part[:2]
        found[kind.group, 3] += by_part[2] * assumptions.period_ns * 1e-3  # nW x ns = 1e-18 J
    found[:, 1] += np.bincount(prices.of_net, prices.net_fj * switching.toggles, groups)
    if wires is not None:
        repeated = wires.repeaters.edge_fj * switching.toggles
        found[:, 0] += np.bincount(prices.of_net, repeated, groups)
    return [
        GateEnergy(
            **{f"{part}_fj": float(fj) for part, fj in zip(PARTS, row, strict=True)},
            cycles=switching.cycles,
        )
        for row in found
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prices:
    """What a netlist's transitions cost, whatever they are."""

    clock_fj: Floats
    """(groups,) of the clock pins, per cycle."""
    of_net: npt.NDArray[np.int64]
    """(nets,) group of what drives it."""
    net_fj: Floats
    """(nets,) per change."""
    leakage_nw: Floats
    """(groups,) of repeaters and the clock's buffers."""
    kinds: tuple["_Kind", ...]


@lru_cache(maxsize=2)
def _prices(
    netlist: Netlist,
    library: Library,
    assumptions: Assumptions,
    group: bytes,
    groups: int,
    wires: Wires | None,
) -> _Prices:
    """Many streams are played on one netlist."""
    number_of = np.frombuffer(group, np.int64)
    loads = net_loads(netlist, library, assumptions.wire_factor)
    half = 0.5 * library.voltage**2  # fJ per fF and change
    clock, of_net = np.zeros(groups), np.zeros(netlist.nets, np.int64)
    for number, gate in zip(number_of.tolist(), netlist.gates, strict=True):
        cell = library.cell(gate.cell)
        for pin in cell.outputs:
            if gate.pins.get(pin, ZERO) >= 0:
                of_net[gate.pins[pin]] = number
        if cell.ff is not None:
            capacitance = cell.pins[clock_pin(cell)].capacitance_ff or 0.0
            clock[number] += 2 * half * capacitance * (1.0 + assumptions.wire_factor)
    leakage, driven = np.zeros(groups), loads
    if wires is not None:
        loads = loads + wires.wire_ff + wires.repeater_ff
        driven = wires.repeaters.driver_ff
        leaks = wires.repeaters.count * wires.buffer.leakage_nw
        leakage += np.bincount(of_net, leaks, groups)
        shares = _flip_flop_shares(netlist, library, number_of, groups)
        clock += shares * wires.clock.cycle_fj(library.voltage)
        leakage += shares * wires.clock.leakage_nw
    return _Prices(
        clock_fj=clock,
        of_net=of_net,
        net_fj=half * loads,
        leakage_nw=leakage,
        kinds=tuple(_kinds(netlist, library, number_of, driven, assumptions)),
    )


def _flip_flop_shares(
    netlist: Netlist, library: Library, group: npt.NDArray[np.int64], groups: int
) -> Floats:
    """(groups,) share of the flip-flops; all in group 0 where there are none."""
    is_one = np.array([library.cell(gate.cell).ff is not None for gate in netlist.gates], bool)
    counts = np.bincount(group[is_one], minlength=groups).astype(float)
    if not is_one.any():
        counts[0] = 1.0
    return counts / counts.sum()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    """Gates of one cell and group whose states are made of the same pins."""

    group: int
    members: npt.NDArray[np.int64]
    uses: tuple[tuple[ArcUse, Floats], ...]
    """The energies of the cell, and (members,) fJ of each."""
    leakage_nw: Floats
    """By state."""


def _kinds(
    netlist: Netlist,
    library: Library,
    group: npt.NDArray[np.int64],
    loads: Floats,
    assumptions: Assumptions,
) -> Iterator[_Kind]:
    found: dict[tuple[str, tuple[str, ...], int], list[int]] = {}
    for number, (gate, its) in enumerate(zip(netlist.gates, group.tolist(), strict=True)):
        found.setdefault((gate.cell, state_pins(gate, library), its), []).append(number)
    for (name, pins, its), members in found.items():
        cell, uses = library.cell(name), []
        for use in arc_uses(cell, pins):
            nets = np.array([netlist.gates[i].pins.get(use.pin, -1) for i in members])
            load = np.where(nets >= 0, loads[nets], 0.0)
            uses.append((use, use.table.at(assumptions.slew_ns, load)))
        yield _Kind(
            group=its, members=np.array(members), uses=tuple(uses),
            leakage_nw=leakage_nw(cell, pins),
        )  # fmt: skip


def _kind_energy(kind: _Kind, switching: Switching) -> tuple[float, float, float]:
    """fJ internal, fJ clock, and nW x cycles of leakage of the gates of one kind."""
    counts = np.stack([switching.transitions[i] for i in kind.members]).astype(float)
    internal = clock = 0.0
    for use, fj in kind.uses:
        energy = float(np.einsum("gba,ba->g", counts, use.weights) @ fj)
        if use.part == CLOCK:
            clock += energy
        else:
            internal += energy
    leakage = float(np.einsum("gba,a->", counts, kind.leakage_nw))
    return internal, clock, leakage
