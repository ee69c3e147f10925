"""Columns of arrays that hold weights: a word stands in the lanes for the pixels of a group."""

from abc import ABC, abstractmethod
from typing import ClassVar

from amaranth.hdl import Module, Mux, ShapeLike, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..timing.held_timing import TREE_LEVELS


def sum_address_width(arch: Arch) -> int:
    """Bits of the place of a sum in a column: its slot, above it the bank."""
    return max(1, (arch.hold - 1).bit_length()) + 1


class HeldColumn(wiring.Component, ABC):
    """One output channel's dot products, `acc = sum(level * activation)` modulo 2^acc_width.

    Stages: lane registers (the word), one term per row, adder tree, shifted tree sum where lanes
    take digits, accumulator memory with a place per slot of both banks. The word after the present
    one waits in the column's part of the station. A lane whose level is 0 needs no gate: its term
    is 0 as long as the word stands. What addresses the memory is a register of each column: one for
    all of them would drive all their sums.

    Latency: `column_stages` cycles from a cycle's operands to what they add, whose place has it in
    the next cycle. Throughput: the operands of one cycle per cycle.

    Members
    -------
    weights : what the lanes hold of this column's fields (`Micro.held_value`); taken into the
    station when `enter`. word : the lanes take what the station has.
    activations : of the beat, the same in all columns and constant while the beat lasts.
    add : in the next cycle the tree sum is added at `place`. restart : it begins the sum there.
    read : a place; acc : its sum, in the same cycle.
    station, held, stages, now : the registers, for tests and proofs; stages: of each tree, the
    terms, then the sums of each stage, the last one what is added; now: `add`, `restart`, `place`
    and what else a kind of lanes takes with them, a cycle later.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        width = arch.lanes.held_width(arch)
        lanes = range(arch.rows)
        self.station = [data_register(width, f"station_{row}") for row in lanes]
        self.held = [data_register(width, f"held_{row}") for row in lanes]
        super().__init__(self.ports(arch))
        self.now = {
            name: kept_register(len(getattr(self, name)), f"{name}_now") for name in self.late_ports
        }

    term_cycles: ClassVar[int] = 1
    """A cycle's operands -> their terms."""
    late_activations: ClassVar[bool] = False
    """Activations are taken in the second of these cycles."""
    place_cycles: ClassVar[int] = 0
    """Tree sum -> what is added."""
    combine_cycles: ClassVar[int] = 0
    """Several sums are complete -> the sum of them is."""
    late_ports: ClassVar[tuple[str, ...]] = ("add", "restart", "place")
    """Control that the column has a register of."""

    @classmethod
    def ports(cls, arch: Arch) -> dict[str, wiring.Member]:
        """Members of the signature; all but `acc` are inputs, driven by the array."""
        width = unsigned(arch.lanes.held_width(arch))
        return {
            "weights": In(data.ArrayLayout(width, arch.rows)),
            **{name: In(1) for name in ("enter", "word", "add", "restart")},
            "place": In(sum_address_width(arch)),
            "read": In(sum_address_width(arch)),
            "acc": Out(signed(arch.acc_width)),
            **cls.operand_ports(arch),
        }

    @classmethod
    def operand_ports(cls, arch: Arch) -> dict[str, wiring.Member]:
        """What the terms are made of besides the lanes' registers."""
        return {"activations": In(data.ArrayLayout(unsigned(arch.act_width), arch.rows))}

    @abstractmethod
    def terms(self, m: Module) -> list[list[Value]]:
        """One term per row of each tree, out of registers that take this cycle's operands."""

    def placed(self, m: Module, total: Value) -> list[Value]:
        """Registers behind the tree sum, the last one what is added: none."""
        return []

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row, (station, held) in enumerate(zip(self.station, self.held, strict=True)):
            with m.If(self.enter):
                m.d.sync += station.eq(self.weights[row])
            with m.If(self.word):
                m.d.sync += held.eq(station)
        m.d.sync += [late.eq(getattr(self, name)) for name, late in self.now.items()]
        acc_width = self.arch.acc_width
        self.stages = [[terms, *tree_sums(m, terms, acc_width)] for terms in self.terms(m)]
        for stages in self.stages:
            stages += [[late] for late in self.placed(m, stages[-1][0])]
        self.accumulate(m, [stages[-1][0] for stages in self.stages])
        return m

    def accumulate(self, m: Module, totals: list[Value]) -> None:
        """Add the tree sum to the sum at its place."""
        place = self.now["place"]
        sums = self.sums = sums_memory(m, "sums", self.arch, place)
        added(m, self, sums, place, totals[0])
        drain = sums.read_port(domain="comb")
        m.d.comb += [drain.addr.eq(self.read), self.acc.eq(drain.data)]


def sums_memory(m: Module, name: str, arch: Arch, place: Value) -> memory.Memory:
    """A memory with a sum at every `place`."""
    sums = memory.Memory(shape=signed(arch.acc_width), depth=1 << len(place), init=[])
    m.submodules[name] = sums
    return sums


def added(m: Module, column: HeldColumn, sums: memory.Memory, place: Value, total: Value) -> Signal:
    """Add `total` at `place` when the column adds; the sum that is written."""
    write, old = sums.write_port(), sums.read_port(domain="comb")
    new = Signal(signed(column.arch.acc_width))
    m.d.comb += [
        old.addr.eq(place),
        new.eq(Mux(column.now["restart"], 0, old.data) + total),
        write.addr.eq(place),
        write.en.eq(column.now["add"]),
        write.data.eq(new),
    ]
    return new


def registered(m: Module, name: str, values: list[Value]) -> list[Value]:
    """A row's value of the cycle before, for each row."""
    late = [data_register(value.shape(), f"{name}_{row}") for row, value in enumerate(values)]
    m.d.sync += [new.eq(value) for new, value in zip(late, values, strict=True)]
    return list(late)


def data_register(shape: ShapeLike, name: str) -> Signal:
    """A register that a reset leaves as it is: what it has counts only while control says so."""
    return Signal(shape, name=name, reset_less=True)


def kept_register(width: int, name: str) -> Signal:
    """A register that synthesis leaves alone, also beside equal ones; a reset clears flags."""
    return Signal(width, name=name, reset_less=width > 1, attrs={"keep": 1})


def shifted(m: Module, column: HeldColumn, total: Value, shift: Value) -> Signal:
    """A register of the tree sum at the place of its digit."""
    late = data_register(signed(column.arch.acc_width), "placed")
    m.d.sync += late.eq(total << shift)
    return late


def tree_sums(m: Module, terms: list[Value], acc_width: int) -> list[list[Value]]:
    """Sums of the terms modulo 2^acc_width, fewer with each stage, until there is one; a register
    after every TREE_LEVELS additions."""
    stages: list[list[Value]] = []
    while not stages or len(terms) > 1:
        for _ in range(TREE_LEVELS):
            pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
            terms = pairs + ([terms[-1]] if len(terms) % 2 else [])
        narrow = [term[:acc_width].as_signed() for term in terms]
        terms = registered(m, f"partial_{len(stages)}", narrow)
        stages.append(terms)
    return stages
