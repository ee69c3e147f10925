"""Requant unit: the contract's only rounding and only saturation (contract section 5)."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.payloads import acc_layout, requant_layout, shift_width
from ..timing.timing import requant_latency
from .threshold_unit import parameter_ports, parameter_row


class RequantUnit(wiring.Component):
    """`saturate((multiplier*acc + skip_multiplier*skip + bias + half) >> shift)` per channel.

    Stages: parameter read, products, sum, shift, saturation. Latency: 5 cycles.
    Throughput: 1 code per cycle; with `use_skip` an acc waits for its residual code. The operand
    registers hold while no acc is valid.

    Members
    -------
    parameters : `requant_layout`, always ready; load a channel before its accs arrive.
    accs : `acc_layout`. skips : residual codes, one per acc when `use_skip`, else not read.
    use_skip, shift, skip_multiplier, out_min, out_max : constant while a layer runs.
    codes : signed, `out_width` bits.

    outside: see `ThresholdUnit`.
    """

    def __init__(self, arch: Arch, *, rows: int | None = None, outside: bool = False) -> None:
        self.arch = arch
        self.rows = rows or 1 << arch.channel_width
        self.outside = outside
        super().__init__(
            {
                **parameter_ports(requant_layout(arch), outside=outside),
                "accs": In(stream.Signature(acc_layout(arch))),
                "skips": In(stream.Signature(signed(arch.requant.skip_width))),
                "use_skip": In(1),
                "shift": In(unsigned(shift_width(arch))),
                "skip_multiplier": In(signed(arch.requant.skip_multiplier_width)),
                "out_min": In(signed(arch.out_width)),
                "out_max": In(signed(arch.out_width)),
                "codes": Out(stream.Signature(signed(arch.out_width))),
            }
        )

    @property
    def latency(self) -> int:
        return requant_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, widths = self.arch, self.arch.requant
        advance, take = Signal(), Signal()
        m.d.comb += [
            advance.eq(~self.codes.valid | self.codes.ready),
            take.eq(self.accs.valid & (self.skips.valid | ~self.use_skip)),
            self.accs.ready.eq(advance & (self.skips.valid | ~self.use_skip)),
            self.skips.ready.eq(advance & self.accs.valid & self.use_skip),
        ]
        row, memory_parts = parameter_row(m, self, advance)

        acc = Signal(signed(arch.acc_width))
        skip = Signal(signed(widths.skip_width))
        scaled = Signal(signed(widths.multiplier_width + arch.acc_width))
        residual = Signal(signed(widths.skip_multiplier_width + widths.skip_width))
        bias = Signal(signed(widths.bias_width))
        half = Signal(unsigned(widths.shift_max + 1))
        addends = (scaled + residual) + (bias + half)
        total = Signal(addends.shape())  # grows by itself: no sum can overflow
        shifted = Signal(addends.shape())
        valid = Signal(4)
        self.registers = {
            **memory_parts, "valid": valid, "acc": acc, "skip": skip, "scaled": scaled,
            "residual": residual, "bias": bias, "total": total, "shifted": shifted,
        }  # for proofs  # fmt: skip
        m.d.comb += half.eq((1 << self.shift) >> 1)
        with m.If(advance & take):
            m.d.sync += [
                acc.eq(self.accs.payload.acc),
                skip.eq(Mux(self.use_skip, self.skips.payload, 0)),
            ]
        with m.If(advance):
            m.d.sync += [
                scaled.eq(row.multiplier * acc),
                residual.eq(self.skip_multiplier * skip),
                bias.eq(row.bias),
                total.eq(addends),
                shifted.eq(total >> self.shift),
                self.codes.payload.eq(self._saturate(shifted)),
                Cat(valid, self.codes.valid).eq(Cat(take, valid)),
            ]
        return m

    def _saturate(self, value: Value) -> Value:
        low = Mux(value < self.out_min, self.out_min, value)
        return Mux(value > self.out_max, self.out_max, low)
