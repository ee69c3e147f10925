"""Columns of arrays that hold weights: a word stands in the lanes for the pixels of a group."""

from abc import ABC, abstractmethod

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

    Stages: lane registers (the word), one term per row, adder tree, accumulator memory with a
    place per slot of both banks. The word after the present one waits in the column's part of the
    station. A lane whose level is 0 needs no gate: its term is 0 as long as the word stands.

    Latency: 1 + tree_stages cycles from a cycle's operands to their tree sum, whose place has it in
    the next cycle. Throughput: the operands of one cycle per cycle.

    Members
    -------
    weights : what the lanes hold of this column's fields (`Micro.held_value`); taken into the
    station when `enter`. word : the lanes take what the station has.
    activations : of the beat, the same in all columns and constant while the beat lasts.
    add : the tree sum is added at `place`. restart : it begins the sum there.
    read : a place; acc : its sum, in the same cycle.
    station, held, totals : the registers, for tests and proofs.
    """

    trees = 1
    """Sums per output channel."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        width = arch.lanes.held_width(arch)
        lanes = range(arch.rows)
        self.station = [data_register(width, f"station_{row}") for row in lanes]
        self.held = [data_register(width, f"held_{row}") for row in lanes]
        super().__init__(self.ports(arch))

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
        """One term per row of each tree, of this cycle's operands."""

    def placed(self, total: Value) -> Value:
        """What a tree sum adds to the sum."""
        return total

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row, (station, held) in enumerate(zip(self.station, self.held, strict=True)):
            with m.If(self.enter):
                m.d.sync += station.eq(self.weights[row])
            with m.If(self.word):
                m.d.sync += held.eq(station)
        registered = []
        for kind, terms in enumerate(self.terms(m)):
            products = [
                data_register(signed(len(term)), f"term_{kind}_{row}")
                for row, term in enumerate(terms)
            ]
            m.d.sync += [new.eq(term) for new, term in zip(products, terms, strict=True)]
            registered.append(tree_sum(m, products, self.arch.acc_width))
        self.totals = registered
        self.accumulate(m, registered)
        return m

    def accumulate(self, m: Module, totals: list[Signal]) -> None:
        """Add the tree sum to the sum at its place."""
        sums = self.sums = accumulator(m, "sums", self.arch.acc_width, 1 << len(self.place))
        write, old = sums.write_port(), sums.read_port(domain="comb")
        drain = sums.read_port(domain="comb")
        m.d.comb += [
            old.addr.eq(self.place),
            write.addr.eq(self.place),
            write.en.eq(self.add),
            write.data.eq(Mux(self.restart, 0, old.data) + self.placed(totals[0])),
            drain.addr.eq(self.read),
            self.acc.eq(drain.data),
        ]


def data_register(shape: ShapeLike, name: str) -> Signal:
    """A register that a reset leaves as it is: what it has counts only while control says so."""
    return Signal(shape, name=name, reset_less=True)


def accumulator(m: Module, name: str, width: int, depth: int) -> memory.Memory:
    """A memory of so many sums."""
    m.submodules[name] = store = memory.Memory(shape=signed(width), depth=depth, init=[])
    return store


def tree_sum(m: Module, terms: list[Signal], acc_width: int) -> Signal:
    """Sum of the terms modulo 2^acc_width, a register after every TREE_LEVELS additions."""
    stage = 0
    while True:
        sums: list[Value] = list(terms)
        for _ in range(TREE_LEVELS):
            pairs = [a + b for a, b in zip(sums[::2], sums[1::2], strict=False)]
            sums = pairs + ([sums[-1]] if len(sums) % 2 else [])
        terms = [
            data_register(signed(min(len(term), acc_width)), f"partial_{stage}_{i}")
            for i, term in enumerate(sums)
        ]
        m.d.sync += [new.eq(term) for new, term in zip(terms, sums, strict=True)]
        if len(terms) == 1:
            return terms[0]
        stage += 1
