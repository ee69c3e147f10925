"""Threshold unit: a code is the number of thresholds reached (contract section 4)."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import memory_depth
from ..lanes.column import adder_tree
from ..layouts.payloads import acc_layout, threshold_layout
from ..timing.timing import threshold_latency


class ThresholdUnit(wiring.Component):
    """`code = #{i : sign * acc >= tau[i]}` with the sign and thresholds of the acc's channel.

    One comparator per threshold; the operand registers hold while no acc is valid. For fewer
    thresholds (a smaller act_width) the unused ones are loaded with the largest tau, which no acc
    reaches.

    Stages: parameter read, compare, count. Latency: 3 cycles. Throughput: 1 code per cycle.

    Members
    -------
    parameters : `threshold_layout`, always ready; load a channel before its accs arrive.
    accs : `acc_layout`. codes : unsigned, `threshold_width` bits.

    outside: the rows are in a memory outside the unit. Instead of `parameters` there are `reading`,
    which requests the row of the acc's channel, and `row`, which has it from the next cycle on.
    """

    def __init__(self, arch: Arch, *, rows: int | None = None, outside: bool = False) -> None:
        self.arch = arch
        self.rows = rows or 1 << arch.channel_width
        self.outside = outside
        super().__init__(
            {
                **parameter_ports(threshold_layout(arch), outside=outside),
                "accs": In(stream.Signature(acc_layout(arch))),
                "codes": Out(stream.Signature(unsigned(arch.threshold_width))),
            }
        )

    @property
    def latency(self) -> int:
        return threshold_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        advance = Signal()
        m.d.comb += [
            advance.eq(~self.codes.valid | self.codes.ready),
            self.accs.ready.eq(advance),
        ]
        row, memory_parts = parameter_row(m, self, advance)

        valid = Signal(2)
        acc = Signal(signed(arch.acc_width))
        # One bit wider than acc, so that the negation of the most negative acc is exact.
        signed_acc = Signal(signed(arch.tau_width))
        reached = Signal(arch.thresholds)
        # For proofs.
        self.registers = {**memory_parts, "valid": valid, "acc": acc, "reached": reached}
        m.d.comb += signed_acc.eq(Mux(row.negative, -acc, acc))
        with m.If(advance & self.accs.valid):
            m.d.sync += acc.eq(self.accs.payload.acc)
        with m.If(advance):
            m.d.sync += [
                reached.eq(Cat(signed_acc >= row.tau[i] for i in range(arch.thresholds))),
                self.codes.payload.eq(adder_tree(list(reached))),
                Cat(valid, self.codes.valid).eq(Cat(self.accs.valid, valid)),
            ]
        return m


def parameter_ports(layout: data.StructLayout, *, outside: bool) -> dict[str, wiring.Member]:
    """Parameter ports of a unit: its own memory's load port, or a row from outside."""
    if outside:
        return {"row": In(row_layout(layout)), "reading": Out(1)}
    return {"parameters": In(stream.Signature(layout, always_ready=True))}


def row_layout(layout: data.StructLayout) -> data.StructLayout:
    """A channel's row in a memory of parameters."""
    members = {name: s for name, s in layout.members.items() if name != "channel"}
    return data.StructLayout(members)


def parameter_row(
    m: Module, unit: wiring.Component, advance: Value
) -> tuple[data.View, dict[str, Value]]:
    """Per-channel parameters: loaded through `unit.parameters`, read with one cycle of latency.

    The memory is read only when the channel changes: a row that all channels share, or a channel's
    row in a one-column array, stays in the output register of the read port.

    Returns the row, and by name the memory and the signals that proofs and benches read.
    """
    channel = unit.accs.payload.channel
    held, current = Signal.like(channel), Signal()  # the row in the output register is that one
    reading = Signal()
    m.d.comb += reading.eq(advance & unit.accs.valid & ~(current & (held == channel)))
    with m.If(reading):
        m.d.sync += [held.eq(channel), current.eq(1)]
    if unit.outside:
        m.d.comb += unit.reading.eq(reading)
        return unit.row, {}
    load = unit.parameters
    row = row_layout(load.payload.shape())
    m.submodules.parameters = store = memory.Memory(
        shape=row, depth=memory_depth(unit.rows), init=[]
    )
    write, read = store.write_port(), store.read_port()
    m.d.comb += [
        write.addr.eq(load.payload.channel),
        *(getattr(write.data, name).eq(getattr(load.payload, name)) for name in row.members),
        write.en.eq(load.valid),
        read.addr.eq(channel),
        read.en.eq(reading),
    ]
    with m.If(load.valid):
        m.d.sync += current.eq(0)
    parts = {"store": store, "held": held, "current": current, "row": read.data}
    return read.data, parts | {"reading": reading}
