"""Rounds of a loop whose end is a register, so that many nested loops step in one cycle."""

from amaranth.hdl import Module, Mux, Signal, Value


class Rounds:
    """Counts the rounds of a loop down.

    limit: number of rounds, at least 1. left: rounds from this one on. end: it is the last one.
    """

    def __init__(self, name: str, limit: Value) -> None:
        self.limit = limit
        self.left = Signal(len(limit), name=f"{name}_rounds")
        self.end = Signal(name=f"{name}_last")

    def run(self, m: Module, begin: Value, step: Value) -> None:
        """`begin`: the first round comes; `step`: the next one, after the last the first."""
        first = begin | self.end
        with m.If(begin | step):
            m.d.sync += [
                self.left.eq(Mux(first, self.limit, self.left - 1)),
                self.end.eq(Mux(first, self.limit == 1, self.left == 2)),
            ]
