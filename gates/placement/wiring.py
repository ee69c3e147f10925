"""Wiring: which pins of which instances a net joins, whatever the cells compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..liberty.liberty import Library
from ..netlist.netlist import Netlist, clock_pin

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Wiring:
    """Instances and the pins of every net, net by net."""

    cells: tuple[str, ...]
    """Kind of each instance."""
    ports: int
    """Bits of ports."""
    starts: Ints
    """(nets + 1,) first pin of each net, and their end."""
    instances: Ints
    """(pins,) instance, or -1 - port for a bit of a port."""
    pins: tuple[str, ...]
    """(pins,) name of the instance's pin; empty for a port."""

    @property
    def nets(self) -> int:
        return len(self.starts) - 1


def wiring(cells: Sequence[str], nets: Sequence[Sequence[tuple[int, str]]], ports: int) -> Wiring:
    """nets: of each net (instance, pin), or (-1 - port, "")."""
    sizes = [len(net) for net in nets]
    return Wiring(
        cells=tuple(cells),
        ports=ports,
        starts=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        instances=np.array([at for net in nets for at, _ in net], np.int64),
        pins=tuple(pin for net in nets for _, pin in net),
    )


def wiring_of(netlist: Netlist) -> Wiring:
    """Nets have the netlist's numbers; that of the clock has no pins, it gets a tree of its own."""
    nets: list[list[tuple[int, str]]] = [[] for _ in range(netlist.nets)]
    for number, gate in enumerate(netlist.gates):
        for pin, net in gate.pins.items():
            if net >= 0 and net != netlist.clock:
                nets[net].append((number, pin))
    ports = [net for bits in _ports(netlist) for net in bits if net >= 0]
    for port, net in enumerate(ports):
        nets[net].append((-1 - port, ""))
    return wiring([gate.cell for gate in netlist.gates], nets, len(ports))


def _ports(netlist: Netlist) -> list[tuple[int, ...]]:
    groups: Sequence[Mapping[str, tuple[int, ...]]] = (netlist.inputs, netlist.outputs)
    return [nets for ports in groups for nets in ports.values()]


def clock_sinks(netlist: Netlist, library: Library) -> list[tuple[int, str]]:
    """Flip-flops and their clock pins."""
    cells = {name: library.cell(name) for name in netlist.counts()}
    return [
        (number, clock_pin(cells[gate.cell]))
        for number, gate in enumerate(netlist.gates)
        if cells[gate.cell].ff is not None
    ]
