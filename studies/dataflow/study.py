"""The study: four networks on two accelerators and two alternatives, 16 x 16 multipliers each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ...cost.technology.technology import Technology
from ...cost.topologies.assumed import Assumptions
from ...cost.topologies.published import published_network
from ...rtl.arch.arch import Arch
from ...rtl.program.fit import narrowest_lanes
from ...spec.program import SizedNetwork
from . import others, own
from .moves import EXTERNAL, SUMS, Machine, Moves, level_energy, macs, moved_energy

NETWORKS = ("resnet20-cifar", "resnet18", "resnet50", "mobilenet-v2")
HOLDS = (2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32)
SHOWN_HOLDS = (2, 4, 8, 16, 32)
SIZE, FILL, OUT_LANES = 16, 8, 4
SUMS_STORES = ("small memory", "memory, root law to the end", "flip-flops")


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A machine's moves with one network."""

    machine: Machine
    moves: Moves

    @property
    def macs(self) -> int:
        return macs(self.machine.network)

    def utilization(self) -> float:
        """Products per lane, in cycles in which the array works; waits are not in it."""
        return self.macs / (self.moves.cycles * self.machine.arch.rows * self.machine.arch.cols)


def machine(network: SizedNetwork, name: str, hold: int, size: int = SIZE) -> Machine:
    """A machine with the narrowest lanes; hold 1 is the first accelerator."""
    arch = _lanes(network, size)
    if hold > 1:
        fill = max(n for n in (1, 2, 4, FILL) if n <= min(hold, size))
        arch = replace(arch, hold=hold, fill=fill, out_lanes=min(OUT_LANES, size))
    return Machine(name=name, network=network, arch=arch)


@lru_cache(maxsize=len(NETWORKS))
def _lanes(network: SizedNetwork, size: int) -> Arch:
    return narrowest_lanes(network, rows=size, cols=size)


def counted(machine: Machine, count: Callable[[Machine], Moves]) -> Counted:
    return Counted(machine=machine, moves=count(machine))


def held_at(network: SizedNetwork, hold: int) -> Counted:
    return counted(machine(network, f"hold {hold}", hold), own.held)


def machines_of(network: SizedNetwork) -> list[Counted]:
    """All machines of a network, in the order of the page."""
    rest = (
        ("output stationary", others.output_stationary),
        ("row stationary", others.row_stationary),
    )
    return [
        counted(machine(network, "first accelerator", 1), own.first),
        *(held_at(network, hold) for hold in SHOWN_HOLDS),
        *(counted(machine(network, name, 16), count) for name, count in rest),
    ]


def networks(assumed: Assumptions) -> dict[str, SizedNetwork]:
    return {name: published_network(name, assumed) for name in NETWORKS}


@dataclass(frozen=True, kw_only=True, slots=True)
class Holds:
    """pJ per product on the chip by hold, with the sums in a `store` of `SUMS_STORES`."""

    store: str
    pj: dict[int, float]

    @property
    def least(self) -> int:
        """The hold of least energy."""
        return min(self.pj, key=lambda hold: (self.pj[hold], hold))

    def excess(self, hold: int) -> float:
        """Part by which `hold` needs more than the least."""
        return self.pj[hold] / self.pj[self.least] - 1


def holds_of(network: SizedNetwork, technology: Technology) -> list[Holds]:
    """Every hold of `HOLDS`, by where the sums are kept."""
    found = {hold: held_at(network, hold) for hold in HOLDS}
    return [
        Holds(store=store, pj={h: on_chip(c, technology, store) for h, c in found.items()})
        for store in SUMS_STORES
    ]


def least_regret(all_holds: Iterable[Holds]) -> tuple[int, float]:
    """The hold whose worst excess over the least of any network and store is smallest, and it."""
    every = list(all_holds)
    worst = {hold: max(each.excess(hold) for each in every) for hold in HOLDS}
    best = min(worst, key=lambda hold: (worst[hold], hold))
    return best, worst[best]


def on_chip(each: Counted, technology: Technology, store: str = SUMS_STORES[0]) -> float:
    """Expected pJ per product of all levels but external memory, with the sums in a `store`."""
    arch, moves = each.machine.arch, each.moves
    column = own.column_bits(arch)
    sums = moves.bits.get((SUMS, column), 0.0)
    price = technology.sram_bit(column).expected
    other = price
    if store == SUMS_STORES[1]:
        other = technology["sram"].expected * (column / 8192) ** 0.5
    total = moved_energy(moves, technology).expected
    total -= level_energy(moves, technology, EXTERNAL).expected
    if store == SUMS_STORES[2]:  # half of the moves are reads, which are free
        other = technology["register"].expected / 2
        total += technology["clock"].expected * moves.cycles * arch.cols * column
    return (total + sums * (other - price)) / each.macs


def per_mac(each: Counted, level: str) -> float:
    return each.moves.of_level(level) / each.macs


def find(rows: Sequence[Counted], name: str) -> Counted:
    return next(row for row in rows if row.machine.name == name)
