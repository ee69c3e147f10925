"""Lane array: `cols` columns that share activations, control and one codebook."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .arch import Arch
from .lookup_mac import column_for
from .payloads import beat_layout, codebook_layout, sums_layout
from .timing import column_latency

COLUMN_MODULE = "adqhw_column"
"""Verilog name of the one column that an emitted array instantiates `cols` times."""


class LaneArray(wiring.Component):
    """`cols` dot products over the same activations; a beat per cycle, sums when a beat is `last`.

    The whole array freezes while finished sums wait for a taker (`stall`), or while `hold`.

    Latency: `latency` cycles from the acceptance of a `last` beat to valid sums.
    Throughput: 1 beat per cycle.

    Members
    -------
    beats : `beat_layout`. sums : `sums_layout`, held until taken.
    codebook : `codebook_layout`, always ready; load only while no beat is in flight.
    bypass : weight fields are levels. stall : the array waits for the taker.
    hold : nothing moves, sums are not offered.
    """

    def __init__(self, arch: Arch, *, instances: bool = False) -> None:
        self.arch = arch
        self.instances = instances
        super().__init__(
            {
                "beats": In(stream.Signature(beat_layout(arch))),
                "codebook": In(stream.Signature(codebook_layout(arch), always_ready=True)),
                "bypass": In(1),
                "hold": In(1),
                "sums": Out(stream.Signature(sums_layout(arch))),
                "stall": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        return column_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform):
        m = Module()
        advance = Signal()
        beat, sums = self.beats.payload, self.sums.payload
        waiting = Signal()
        m.d.comb += [
            self.sums.valid.eq(waiting & ~self.hold),
            self.stall.eq(self.sums.valid & ~self.sums.ready),
            advance.eq(~self.stall & ~self.hold),
            self.beats.ready.eq(advance),
        ]
        # Control travels beside the data: one copy for all columns.
        stages = self.latency - 1
        valid, first, last = (Signal(stages, name=n) for n in ("valid", "first", "last"))
        channels = [Signal(self.arch.channel_width, name=f"channel_{i}") for i in range(stages)]
        with m.If(advance):
            m.d.sync += [
                valid.eq(Cat(self.beats.valid, valid)),
                first.eq(Cat(beat.first, first)),
                last.eq(Cat(beat.last, last)),
                *(
                    new.eq(old)
                    for new, old in zip(channels, [beat.channel, *channels], strict=False)
                ),
                waiting.eq(valid[-1] & last[-1]),
                sums.channel.eq(channels[-1]),
            ]
        controls = {
            "codebook": self._codebook(m),
            "bypass": self.bypass,
            "activations": beat.activations,
            "advance": advance,
            "load": self.beats.valid,
            "add": valid[-1],
            "restart": first[-1],
        }
        for col in range(self.arch.cols):
            inputs = {**controls, "weights": beat.weights[col]}
            self._column(m, f"column_{col}", inputs, sums.acc[col])
        return m

    def _codebook(self, m):
        """Registers of the shared codebook, written through its load port."""
        entry = self.codebook.payload
        count = 1 << self.arch.weight_width
        table = Signal(data.ArrayLayout(entry.shape()["level"].shape, count))
        with m.If(self.codebook.valid):
            m.d.sync += Array(table[i] for i in range(count))[entry.code].eq(entry.level)
        return table

    def _column(self, m, name, inputs, acc):
        """A submodule for Amaranth's simulator, an instance of the one column in Verilog."""
        if self.instances:
            ports = {f"i_{port}": signal for port, signal in inputs.items()}
            clocks = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
            m.submodules[name] = Instance(COLUMN_MODULE, **ports, **clocks, o_acc=acc)
            return
        column = m.submodules[name] = column_for(self.arch)
        m.d.comb += [getattr(column, port).eq(signal) for port, signal in inputs.items()]
        m.d.comb += acc.eq(column.acc)
