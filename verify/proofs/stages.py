"""Output stages: threshold and requant unit equal contract sections 4 and 5, parameters included.

The parameter memory is the real one. A comb read port beside it says what a channel's row was when
its acc was accepted; every later stage is tied to the accs, rows and residual codes accepted.
"""

from amaranth.hdl import Assert, Assume, Cat, Cover, Mux, Signal

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.engine.requant_unit import RequantUnit
from adqhw.rtl.engine.threshold_unit import ThresholdUnit
from adqhw.rtl.lanes.column import adder_tree

from .prover import Design


class _Stage:
    """A unit, what its pipeline stages hold by the specification, and the stream rules."""

    def __init__(self, unit, taken):
        self.unit, self.m = unit, unit.elaborate(None)
        codes = unit.codes
        self.advance = Signal(name="moves")
        self.m.d.comb += self.advance.eq(~codes.valid | codes.ready)
        self.accept = Signal(name="accept")
        self.m.d.comb += self.accept.eq(self.advance & taken)
        self.row = self._parameters()

    def past(self, value, count, name):
        """`value` as stages 1 .. count have it."""
        source = Signal(value.shape(), name=f"{name}_0")
        self.m.d.comb += source.eq(value)
        line = [Signal(value.shape(), name=f"{name}_{i + 1}") for i in range(count)]
        with self.m.If(self.advance):
            self.m.d.sync += [n.eq(o) for n, o in zip(line, [source, *line], strict=False)]
        return line

    def latest(self, value, name):
        """`value` as it was with the acc accepted last: what stage 1 holds."""
        held = Signal(value.shape(), name=f"{name}_latest")
        with self.m.If(self.accept):
            self.m.d.sync += held.eq(value)
        return held

    def _parameters(self):
        """The row register; asserted: it holds the row of the acc accepted last.

        Rows and the register agree for the channel `held`; the memory cell itself is Amaranth's.
        """
        m, unit = self.m, self.unit
        store, latest, current, data = (
            unit.registers[n] for n in ("store", "held", "current", "row")
        )
        peek, check = (store.read_port(domain="comb") for _ in range(2))
        m.d.comb += [peek.addr.eq(unit.accs.payload.channel), check.addr.eq(latest)]
        wanted, waits = Signal.like(data.as_value(), name="wanted"), Signal(name="row_due")
        with m.If(self.accept):
            m.d.sync += wanted.eq(peek.data.as_value())
        with m.If(self.advance):
            m.d.sync += waits.eq(self.accept)
        m.d.comb += [
            Assert(~waits | (data.as_value() == wanted)),
            Assert(~current | (data.as_value() == check.data.as_value())),
        ]
        return data

    def flow(self, valid):
        """Stream rules: an offered payload stays; every accepted acc leaves once, in order."""
        m, codes = self.m, self.unit.codes
        offered, payload = Signal(name="was_waiting"), Signal.like(codes.payload, name="was_code")
        taken, given = Signal(8, name="accepted"), Signal(8, name="emitted")
        m.d.sync += [offered.eq(codes.valid & ~codes.ready), payload.eq(codes.payload)]
        m.d.sync += taken.eq(taken + self.accept)
        m.d.sync += given.eq(given + (codes.valid & codes.ready))
        line = self.past(self.accept, len(valid) + 1, "spec_valid")
        inside = Signal(8, name="inside")
        m.d.comb += inside.eq(sum([*valid, codes.valid]))
        m.d.comb += [
            Assert(~offered | (codes.valid & (codes.payload == payload))),
            Assert(Cat(valid, codes.valid) == Cat(line)),
            Assert((taken - given)[:8] == inside),
            Cover(offered & (given > 1) & (codes.payload != 0)),
        ]

    def design(self, *more, shown):
        u = self.unit
        ports = [u.parameters.payload.as_value(), u.parameters.valid]
        ports += [u.accs.payload.as_value(), u.accs.valid, u.codes.ready, *more]
        return Design(module=self.m, ports=ports, shown=shown)


def threshold(act_width: int) -> Design:
    """`code = #{i : sign * acc >= tau[i]}` for every acc, row and stall."""
    arch = Arch(rows=1, cols=1, channels=2, acc_width=16, threshold_width=act_width)
    unit = ThresholdUnit(arch)
    s = _Stage(unit, unit.accs.valid)
    acc = s.latest(unit.accs.payload.acc, "acc")
    acc = [acc, *s.past(acc, 2, "acc")]
    now = unit.registers
    met = Signal(arch.thresholds, name="met")  # contract section 4, of the acc in stage 1
    s.m.d.comb += met.eq(Cat(Mux(s.row.negative, -acc[0], acc[0]) >= tau for tau in s.row.tau))
    spec = s.past(met, 1, "spec_met")
    # What is counted is `reached` itself, shown below to be what the contract says: z3 does not
    # find out by itself that two counts of 255 equal bits are equal.
    counted = s.past(now["reached"], 1, "counted")[0]
    code = Signal(act_width, name="expected_code")
    # Up to 15 comparators the count is a chain, not the tree of the unit.
    s.m.d.comb += code.eq(sum(counted) if act_width <= 4 else adder_tree(list(counted)))
    s.m.d.comb += [
        Assert(now["acc"] == acc[0]),
        Assert(now["reached"] == spec[0]),
        Assert(unit.codes.payload == code),
        Cover(unit.codes.valid & (code == arch.thresholds) & (acc[2] < 0)),
    ]
    s.flow(list(now["valid"]))
    return s.design(shown=[now["reached"], spec[0], unit.codes.payload, code])


def requant(act_width: int) -> Design:
    """Contract section 5 at the contract's largest widths, for every acc, row, residual and stall.

    act_width: that of the output format u2, u4 or u8; 0 leaves the limits of saturation free.
    """
    widest = RequantWidths(multiplier_width=32)
    arch = Arch(rows=1, cols=1, channels=2, acc_width=32, requant=widest)
    unit = RequantUnit(arch)
    s = _Stage(unit, unit.accs.valid & (unit.skips.valid | ~unit.use_skip))
    m, now = s.m, unit.registers
    names = ("use_skip", "shift", "skip_multiplier", "out_min", "out_max")
    constants = [getattr(unit, name) for name in names]
    steady = [Signal.like(c, name=f"steady_{i}") for i, c in enumerate(constants)]
    started = Signal(name="started")
    m.d.sync += [started.eq(1), *(k.eq(c) for k, c in zip(steady, constants, strict=True))]
    m.d.comb += [Assume(~started | (k == c)) for k, c in zip(steady, constants, strict=True)]
    m.d.comb += Assume(unit.shift <= arch.requant.shift_max)
    if act_width:
        m.d.comb += Assume((unit.out_min == 0) & (unit.out_max == (1 << act_width) - 1))
    acc = s.latest(unit.accs.payload.acc, "acc")
    skip = s.latest(Mux(unit.use_skip, unit.skips.payload, 0), "skip")
    scaled = s.past(s.row.multiplier * acc, 1, "spec_scaled")[0]
    residual = s.past(unit.skip_multiplier * skip, 1, "spec_residual")[0]
    bias = s.past(s.row.bias, 1, "spec_bias")[0]
    half = Mux(unit.shift == 0, 0, 1 << (unit.shift - 1)[: len(unit.shift)])
    total = s.past((bias + half) + (scaled + residual), 1, "spec_total")[0]
    floor = s.past(total >> unit.shift, 1, "spec_floor")[0]
    above = Mux(floor > unit.out_max, unit.out_max, floor)
    code = s.past(Mux(floor < unit.out_min, unit.out_min, above), 1, "spec_code")[0]
    m.d.comb += [
        Assume(unit.out_min <= unit.out_max),
        Assert((now["acc"] == acc) & (now["skip"] == skip)),
        Assert((now["scaled"] == scaled) & (now["residual"] == residual)),
        Assert(now["bias"] == bias),
        Assert(now["total"] == total),
        Assert(now["shifted"] == floor),
        Assert(unit.codes.payload == code),
        Cover(unit.codes.valid & (code == unit.out_max) & (unit.shift > 3) & unit.use_skip),
    ]
    s.flow(list(now["valid"]))
    more = [*constants, unit.skips.payload, unit.skips.valid]
    return s.design(*more, shown=[now["shifted"], floor, unit.codes.payload, code])
