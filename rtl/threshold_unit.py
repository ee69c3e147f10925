"""Threshold unit: a code is the number of thresholds reached (contract section 4)."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .arch import Arch
from .column import adder_tree
from .payloads import acc_layout, threshold_layout
from .storage import memory_depth
from .timing import threshold_latency


class ThresholdUnit(wiring.Component):
    """`code = #{i : sign * acc >= tau[i]}` with the sign and thresholds of the acc's channel.

    One comparator per threshold. Fewer thresholds (a smaller act_width) are served by loading the
    unused ones with the largest tau, which no acc reaches.

    Stages: parameter read, compare, count. Latency: 3 cycles. Throughput: 1 code per cycle.

    Members
    -------
    parameters : `threshold_layout`, always ready; load a channel before its accs arrive.
    accs : `acc_layout`. codes : unsigned, `threshold_width` bits.
    """

    def __init__(self, arch: Arch, *, rows: int | None = None) -> None:
        self.arch = arch
        self.rows = rows or 1 << arch.channel_width
        super().__init__(
            {
                "parameters": In(stream.Signature(threshold_layout(arch), always_ready=True)),
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

    def elaborate(self, platform):
        m = Module()
        arch = self.arch
        advance = Signal()
        m.d.comb += [
            advance.eq(~self.codes.valid | self.codes.ready),
            self.accs.ready.eq(advance),
        ]
        row, memory_parts = parameter_memory(m, self.rows, self.parameters, self.accs, advance)

        valid = Signal(2)
        acc = Signal(signed(arch.acc_width))
        # One bit wider than acc, so that the negation of the most negative acc is exact.
        signed_acc = Signal(signed(arch.tau_width))
        reached = Signal(arch.thresholds)
        # For proofs.
        self.registers = {**memory_parts, "valid": valid, "acc": acc, "reached": reached}
        m.d.comb += signed_acc.eq(Mux(row.negative, -acc, acc))
        with m.If(advance):
            m.d.sync += [
                acc.eq(self.accs.payload.acc),
                reached.eq(Cat(signed_acc >= row.tau[i] for i in range(arch.thresholds))),
                self.codes.payload.eq(adder_tree(list(reached))),
                Cat(valid, self.codes.valid).eq(Cat(self.accs.valid, valid)),
            ]
        return m


def parameter_memory(m, rows, load, accs, advance):
    """Per-channel parameters: loaded through the stream `load`, read with one cycle of latency.

    The memory is read only when the channel changes: a row that all channels share, or a channel's
    row in a one-column array, stays in the output register of the read port.

    Returns the row, and by name the memory and the signals that proofs and benches look at.
    """
    row = {name: s for name, s in load.payload.shape().members.items() if name != "channel"}
    m.submodules.parameters = store = memory.Memory(
        shape=data.StructLayout(row), depth=memory_depth(rows), init=[]
    )
    write, read = store.write_port(), store.read_port()
    channel = accs.payload.channel
    held, current = Signal.like(channel), Signal()  # the row in the output register is that one
    reading = Signal()
    m.d.comb += [
        write.addr.eq(load.payload.channel),
        *(getattr(write.data, name).eq(getattr(load.payload, name)) for name in row),
        write.en.eq(load.valid),
        read.addr.eq(channel),
        reading.eq(advance & accs.valid & ~(current & (held == channel))),
        read.en.eq(reading),
    ]
    with m.If(reading):
        m.d.sync += [held.eq(channel), current.eq(1)]
    with m.If(load.valid):
        m.d.sync += current.eq(0)
    parts = {"store": store, "held": held, "current": current, "row": read.data}
    return read.data, parts | {"reading": reading}
