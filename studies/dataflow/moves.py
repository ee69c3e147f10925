"""Moves: bits read, written and clocked by a machine for one image, by level, and their price.

A bit moves when it is read from a memory, written to one, or written to a register. Reading a
register is free; its clock is counted apart. Machines are counted layer by layer; what is common
to them (external memory, output stage, residuals, maps that are written) is counted once, here.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from ...cost.events.memories import peak_live_bits
from ...cost.technology.technology import ZERO, Band, Technology
from ...rtl.arch.arch import Arch
from ...spec.program import SizedNetwork

EXTERNAL, WEIGHTS, MAPS = "external memory", "weight memory", "activation memory"
LANES, SUMS, OUTPUT = "station and lane registers", "accumulators", "output stage"
LEVELS = (EXTERNAL, WEIGHTS, MAPS, LANES, SUMS, OUTPUT)

WEIGHT_MEMORY, PARAMETER_MEMORY = 128 * 8192, 16 * 8192
"""Bits, of every machine: two blocks of 16 channels of any layer of the networks and more. What
comes next is loaded while a block is worked on."""

DRAM, REGISTER = "dram", "register"
Store = str | int
"""`DRAM`, `REGISTER`, or the capacity of an on-chip memory in bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """A machine with a network on it."""

    name: str
    network: SizedNetwork
    arch: Arch

    @cached_property
    def maps(self) -> int:
        """Capacity of the activation memory: all maps alive at once, in bits."""
        return peak_live_bits(self.network)


@dataclass(kw_only=True)
class Moves:
    """Bits by level and store, of one image."""

    bits: dict[tuple[str, Store], float] = field(default_factory=lambda: defaultdict(float))
    clocked: float = 0.0
    """Bits of flip-flops of array and accumulators, times cycles in which the array works."""
    cycles: int = 0
    """In which the array works."""

    def move(self, level: str, store: Store, bits: float) -> None:
        if bits:
            self.bits[level, store] += bits

    def __add__(self, other: "Moves") -> "Moves":
        found = Moves(clocked=self.clocked + other.clocked, cycles=self.cycles + other.cycles)
        for part in (self, other):
            for (level, store), bits in part.bits.items():
                found.move(level, store, bits)
        return found

    def of_level(self, level: str) -> float:
        return sum(bits for (name, _), bits in self.bits.items() if name == level)


def total(moves: Iterable[Moves]) -> Moves:
    return sum(moves, start=Moves())


def price(technology: Technology, store: Store) -> Band:
    """pJ of a bit that moves."""
    if isinstance(store, int):
        return technology.sram_bit(store)
    return technology[store]


def level_energy(moves: Moves, technology: Technology, level: str) -> Band:
    """pJ of a level."""
    return sum(
        (price(technology, s) * bits for (name, s), bits in moves.bits.items() if name == level),
        start=ZERO,
    )


def clock_energy(moves: Moves, technology: Technology) -> Band:
    return technology["clock"] * moves.clocked


def moved_energy(moves: Moves, technology: Technology) -> Band:
    """pJ of all levels and the clock; arithmetic is the same in all machines and left out."""
    levels = (level_energy(moves, technology, level) for level in LEVELS)
    return sum(levels, start=clock_energy(moves, technology))


def macs(network: SizedNetwork) -> int:
    return sum(network.macs(layer.name) for layer in network.layers)
