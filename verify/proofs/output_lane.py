"""Output lane of arrays that hold weights: contract sections 4 and 5, with and without chaining.

The specification is the contract's formula as one expression of the operands accepted, carried
along beside the stages. Every stage's registers are tied to it by what is left to be done.
"""

from functools import reduce
from itertools import pairwise
from operator import add

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.output.output_lane import OutputLane

from .prover import Design

CONSTANTS = ("requant", "shift", "skip_multiplier", "out_min", "out_max")
INPUTS = ("advance", "valid", "sum", "skip", "half", "requant_fresh", "thresholds_fresh")


class _Lane:
    """A lane, and values of the specification as its stages have them."""

    def __init__(self, arch: Arch, part_width: int) -> None:
        self.unit = OutputLane(arch, part_width)
        self.m: Module = self.unit.elaborate(None)
        self.now = self.unit.registers
        self._constants()

    def line(self, value: Value, count: int, name: str) -> list[Signal]:
        """`value`, registered `count` times."""
        line = [Signal(value.shape(), name=f"spec_{name}_{i}") for i in range(count)]
        with self.m.If(self.unit.advance):
            self.m.d.sync += [new.eq(old) for new, old in zip(line, [value, *line], strict=False)]
        return line

    def latest(self, value: Value, name: str, init: int = 0) -> Signal:
        """`value` as it was with the sum accepted last."""
        held = Signal(value.shape(), name=f"spec_{name}", init=init)
        with self.m.If(self.unit.advance & self.unit.valid):
            self.m.d.sync += held.eq(value)
        return held

    def row(self, name: str, accept: Value) -> Value:
        """Parameters as the unit gets them: those that are not fresh are those of before."""
        given, fresh = getattr(self.unit, name).as_value(), getattr(self.unit, f"{name}_fresh")
        before = Signal(len(given), name=f"{name}_before")
        with self.m.If(accept):
            self.m.d.sync += before.eq(given)
        self.m.d.comb += Assume(fresh | (given == before))
        return before

    def _constants(self) -> None:
        """They stand still; half is that of the shift, and only sums that are requantized have a
        residual."""
        m, unit, stage = self.m, self.unit, self.unit.stage
        constants = [getattr(stage, name) for name in CONSTANTS]
        steady = [Signal.like(c, name=f"steady_{i}") for i, c in enumerate(constants)]
        started = self.started = Signal(name="started")
        m.d.sync += [started.eq(1), *(k.eq(c) for k, c in zip(steady, constants, strict=True))]
        half = Mux(stage.shift == 0, 0, 1 << (stage.shift - 1)[: len(stage.shift)])
        m.d.comb += [
            *(Assume(~started | (k == c)) for k, c in zip(steady, constants, strict=True)),
            Assume(stage.shift <= unit.arch.requant.shift_max),
            Assume(stage.out_min <= stage.out_max),
            Assume(unit.half == Mux(stage.requant, half, 0)),
            Assume(stage.requant | (unit.skip == 0)),
        ]

    def design(self, *shown: Signal) -> Design:
        unit = self.unit
        ports = [getattr(unit, name) for name in INPUTS]
        ports += [getattr(unit, name).as_value() for name in ("stage", "requant", "thresholds")]
        return Design(module=self.m, ports=ports, shown=list(shown))


def _arch(threshold_width: int) -> Arch:
    widths = RequantWidths(
        multiplier_width=4, bias_width=6, shift_max=9, skip_multiplier_width=4, skip_width=3
    )
    return Arch(
        rows=1, cols=1, hold=2, acc_width=5, out_width=6, threshold_width=threshold_width,
        requant=widths,
    )  # fmt: skip


def _sum_of(now: dict[str, Value], names: tuple[str, ...], shifted: str, part_width: int) -> Value:
    """What a stage still has to add."""
    values = [now[name] for name in names]
    values += [value << part_width for name, value in now.items() if name == shifted]
    return reduce(add, values)


def _pieces(now: dict[str, Value], part_width: int, stage: str = "") -> Value:
    """The sum of all partial products, as they are or a stage before."""
    return reduce(
        add,
        (
            value << part_width * sum(int(digit) for digit in name[-2:])
            for name, value in now.items()
            if name[:-2] in (f"scaled_{stage}", f"residual_{stage}")
        ),
    )


def requant(part_width: int) -> Design:
    """`code` of every sum, residual, row, setting and stall; factors of one part or of two."""
    lane = _Lane(_arch(1), part_width)
    unit, m, now, stage = lane.unit, lane.m, lane.now, lane.unit.stage
    accept = unit.advance & unit.valid
    before = lane.row("requant", accept)
    row = unit.requant.shape()(before)
    total, skip = lane.latest(unit.sum, "sum"), lane.latest(unit.skip, "skip")
    loaded = Signal(name="loaded")  # some sum was accepted
    with m.If(accept):
        m.d.sync += loaded.eq(1)
    multiplier = Mux(stage.requant, row.multiplier, Mux(loaded, 1, 0))
    bias = Mux(stage.requant, row.bias, 0)
    # The registers are shown to be the operands; z3 is spared to prove two multipliers equal.
    exact = now["sum"] * now["multiplier"] + now["skip"] * stage.skip_multiplier + now["bias"]
    first, products = lane.line(exact, 2, "products")
    totals = lane.line(products + unit.half, 3, "total")
    floors = lane.line(totals[-1] >> Mux(stage.requant, stage.shift, 0), 2, "floor")
    floor = floors[-1]
    above = Mux(floor > stage.out_max, stage.out_max, floor)
    wanted = Mux(floor < stage.out_min, stage.out_min, above)
    codes = lane.line(Mux(stage.requant, wanted, floor), 2, "code")
    alone = lane.line(total, 9, "alone")  # without requantization it is the sum all the way
    stages = [first, products, *totals, *floors, *codes]
    within = Mux(now["below"], stage.out_min, now["within"])
    fine = stage.shift[:3] & stage.requant.replicate(3)
    split = [name for name in now if name.startswith("middle_")]
    middle = reduce(add, (now[name] for name in split)) << part_width if split else 0
    m.d.comb += [
        Assert((now["sum"] == total) & (now["skip"] == skip)),
        Assert((now["multiplier"] == multiplier) & (now["bias"] == bias)),
        Assert(loaded | (total == 0)),
        Assert(stage.requant | (skip == 0)),
        Assert(_pieces(now, part_width, "product_") + now["bias_2"] == first),
        Assert(_pieces(now, part_width) + now["bias_3"] == products),
        Assert(now["bases"] + now["biases"] + middle == totals[0]),
        Assert(_sum_of(now, ("upper",), "middles", part_width) == totals[1]),
        Assert(now["total"] == totals[2]),
        Assert(~lane.started | (now["amount"] == Mux(stage.requant, stage.shift, 0))),
        Assert(lane.started | ~Cat(now["total"], now["coarse"]).any()),
        Assert(now["coarse"] >> fine == floors[0]),
        Assert(now["shifted"] == floors[1]),
        Assert(Mux(now["above"], stage.out_max, within) == codes[0]),
        Assert(unit.code == codes[1]),
        *(
            Assert(stage.requant | (value == same))
            for value, same in zip(stages, alone, strict=True)
        ),
        Cover((codes[1] == stage.out_max) & (codes[1] > 0) & (stage.shift > 3) & stage.requant),
        Cover((codes[1] < 0) & ~stage.requant),
    ]
    return lane.design(now["shifted"], floors[1], unit.code, codes[1])


def threshold(threshold_width: int) -> Design:
    """`count` of every code, row (in order, as the contract says) and stall, where the code's low
    bits are all of it."""
    lane = _Lane(_arch(threshold_width), 17)
    unit, m, now, arch = lane.unit, lane.m, lane.now, lane.unit.arch
    row = unit.thresholds.shape()(lane.row("thresholds", unit.advance))
    given = unit.thresholds
    m.d.comb += [Assume(low <= high) for low, high in pairwise(list(given.tau))]
    m.d.comb += [Assert(low <= high) for low, high in pairwise(list(row.tau))]
    code = unit.code[: arch.acc_width].as_signed()
    operand = lane.line(code, 1, "operand")[0]
    met = Cat(Mux(row.negative, -operand, operand) >= row.tau[i] for i in range(arch.thresholds))
    spec = lane.line(met, 2, "met")
    reached = Cat(value for name, value in now.items() if name.startswith("reached_"))
    count = Signal(threshold_width, name="expected_count")
    m.d.comb += [
        count.eq(reduce(add, list(spec[1]))),
        Assert((now["plus"] == operand) & (now["minus"] == -operand)),
        Assert(now["thresholds"] == row.as_value()),
        Assert(reached == spec[0]),
        *(Assert(low | ~high) for some in spec for low, high in pairwise(list(some))),
        Assert(unit.count == count),
        Cover((unit.count == arch.thresholds) & (operand < 0)),
    ]
    return lane.design(unit.count, count)
