"""Output lane: a sum becomes a code by requantization, by thresholds, or by one after the other."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..lanes.column import adder_tree
from ..layouts.held import lane_requant_layout, lane_thresholds_layout, stage_layout
from ..timing.held_timing import lane_threshold_cycles
from .selection import position

PART_WIDTH = 17
"""Bits of the low part of a factor: multipliers of FPGAs have 18 bits and a sign."""
FINE_SHIFT = 3
"""Bits of the shift in its second stage."""
COUNTED_BITS = 4
"""Bits of a count that is one stage."""


class OutputLane(wiring.Component):
    """`saturate((multiplier*sum + skip_multiplier*skip + bias + half) >> shift)`, then thresholds
    `#{i : sign*code >= tau[i]}` of the code, or of the sum where there is no requantization.

    A sum without requantization takes the same way with multiplier 1, so that thresholds have one
    place. The low acc_width bits of what is thresholded must be all of it. Thresholds do not
    decrease (contract section 4), so that their count is the place of the last one reached.

    Stages: operands, partial products (no factor wider than 18 bits), the same once more, since
    multipliers of FPGAs have no place for registers beside them, three of sums, two of shift,
    comparison with the limits, code; both signs, comparison with the thresholds, count (in two
    stages above COUNTED_BITS bits). Latency: LANE_REQUANT_CYCLES to `code`,
    `lane_threshold_cycles` to `count`. Throughput: a sum per cycle.

    Members
    -------
    advance : the stages move. valid, sum, skip : the next operands.
    stage : `stage_layout`, constant from the cycle before the first operands on. half : of its
    shift, 0 without requantization.
    requant : parameters of the next operands; requant_fresh : they are others than before.
    thresholds, thresholds_fresh : likewise of the sum whose code is in `code`.
    code : signed. count : unsigned.
    """

    def __init__(self, arch: Arch, part_width: int = PART_WIDTH) -> None:
        self.arch = arch
        self.part_width = part_width
        self.code_width = max(arch.acc_width, arch.out_width)
        super().__init__(
            {
                "advance": In(1),
                "valid": In(1),
                "sum": In(signed(arch.acc_width)),
                "skip": In(signed(arch.requant.skip_width)),
                "stage": In(stage_layout(arch)),
                "half": In(unsigned(arch.requant.shift_max + 1)),
                "requant": In(lane_requant_layout(arch)),
                "requant_fresh": In(1),
                "thresholds": In(lane_thresholds_layout(arch)),
                "thresholds_fresh": In(1),
                "code": Out(signed(self.code_width)),
                "count": Out(unsigned(arch.threshold_width)),
            }
        )

    @property
    def latency(self) -> int:
        return lane_threshold_cycles(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.registers: dict[str, Value] = {}  # for proofs
        self._saturate(m, self._shift(m, self._total(m, *self._operands(m))))
        self._threshold(m)
        return m

    def _registered(self, m: Module, name: str, value: Value) -> Signal:
        """The value one stage later."""
        register = Signal(value.shape(), name=name)
        self.registers[name] = register
        with m.If(self.advance):
            m.d.sync += register.eq(value)
        return register

    def _operands(self, m: Module) -> tuple[Signal, Signal, Signal, Signal]:
        """Sum, residual code, multiplier, bias; they hold while no sum is valid."""
        widths = self.arch.requant
        total = Signal(signed(self.arch.acc_width), name="operand")
        skip = Signal(signed(widths.skip_width), name="skip_operand")
        multiplier = Signal(signed(widths.multiplier_width), name="multiplier")
        bias = Signal(signed(widths.bias_width), name="bias")
        self.registers |= {"sum": total, "skip": skip, "multiplier": multiplier, "bias": bias}
        with m.If(self.advance & self.valid):
            m.d.sync += [total.eq(self.sum), skip.eq(self.skip)]
            with m.If(~self.stage.requant):
                m.d.sync += [multiplier.eq(1), bias.eq(0)]
            with m.Elif(self.requant_fresh):
                m.d.sync += [multiplier.eq(self.requant.multiplier), bias.eq(self.requant.bias)]
        return total, skip, multiplier, bias

    def _parts(self, value: Value) -> list[Value]:
        """Low part, unsigned, and high part; a value that fits a factor is one part."""
        if len(value) <= self.part_width + 1:
            return [value]
        return [value[: self.part_width], value[self.part_width :].as_signed()]

    def _products(self, m: Module, name: str, a: Value, b: Value) -> tuple[Value, list[Value]]:
        """Registers of the partial products: those that do not overlap as one number, and those
        that are shifted by one part."""
        pieces = {
            (i, j): self._registered(
                m, f"{name}_{i}{j}", self._registered(m, f"{name}_product_{i}{j}", x * y)
            )
            for i, x in enumerate(self._parts(a))
            for j, y in enumerate(self._parts(b))
        }
        base = pieces[0, 0]
        if (1, 1) in pieces:
            base = Cat(base[: 2 * self.part_width], pieces[1, 1]).as_signed()
        return base, [piece for at, piece in pieces.items() if sum(at) == 1]

    def _total(
        self, m: Module, total: Value, skip: Value, multiplier: Value, bias: Value
    ) -> Signal:
        """Both products, bias and half; it grows by itself: no sum can overflow."""
        base, middle = self._products(m, "scaled", total, multiplier)
        skip_base, skip_middle = self._products(m, "residual", skip, self.stage.skip_multiplier)
        bias = self._registered(m, "bias_3", self._registered(m, "bias_2", bias))
        bases = self._registered(m, "bases", base + skip_base)
        biases = self._registered(m, "biases", bias + self.half)
        middles = [
            self._registered(m, f"middle_{i}", adder_tree(some))
            for i, some in enumerate((middle, skip_middle))
            if some
        ]
        upper = self._registered(m, "upper", bases + biases)
        if not middles:
            return self._registered(m, "total", upper)
        lower = self._registered(m, "middles", adder_tree(middles))
        return self._registered(m, "total", upper + lower.shift_left(self.part_width))

    def _shift(self, m: Module, total: Value) -> Signal:
        """Arithmetic right shift: multiples of 2^FINE_SHIFT, then the rest."""
        amount = Signal.like(self.stage.shift, name="amount")
        m.d.sync += amount.eq(Mux(self.stage.requant, self.stage.shift, 0))
        self.registers["amount"] = amount
        coarse = Cat(Const(0, FINE_SHIFT), amount[FINE_SHIFT:])
        shifted = self._registered(m, "coarse", total >> coarse)
        return self._registered(m, "shifted", (shifted >> amount[:FINE_SHIFT]))

    def _saturate(self, m: Module, value: Value) -> None:
        """The code; a sum that is not requantized has no limits."""
        stage = self.stage
        below = self._registered(m, "below", (value < stage.out_min) & stage.requant)
        above = self._registered(m, "above", (value > stage.out_max) & stage.requant)
        within = self._registered(m, "within", value[: self.code_width].as_signed())
        with m.If(self.advance):
            m.d.sync += self.code.eq(Mux(above, stage.out_max, Mux(below, stage.out_min, within)))

    def _threshold(self, m: Module) -> None:
        """Negation before the comparison, since -acc >= tau is not acc > tau of some other tau."""
        arch = self.arch
        row = Signal(self.thresholds.shape())
        self.registers["thresholds"] = row.as_value()
        with m.If(self.advance & self.thresholds_fresh):
            m.d.sync += row.eq(self.thresholds)
        operand = self.code[: arch.acc_width].as_signed()
        plus = self._registered(m, "plus", operand)
        minus = self._registered(m, "minus", -operand)
        signed_acc = Signal(signed(arch.tau_width))
        m.d.comb += signed_acc.eq(Mux(row.negative, minus, plus))
        some = 1 << COUNTED_BITS
        reached = [
            self._registered(
                m, f"reached_{i}", Cat(signed_acc >= tau for tau in list(row.tau)[i : i + some])
            )
            for i in range(0, arch.thresholds, some)
        ]
        flags: list[Value] = [flag for group in reached for flag in group]
        upper = max(0, arch.threshold_width - COUNTED_BITS)
        high, flags = position(flags, upper)
        if upper:
            high = list(self._registered(m, "high_count", Cat(high)))
            flags = list(self._registered(m, "flags", Cat(flags)))
        low, _ = position(flags, arch.threshold_width - upper)
        with m.If(self.advance):
            m.d.sync += self.count.eq(Cat(low, high))
