"""Lane array: `cols` columns that share activations, control and one codebook."""

from typing import Any

from amaranth.hdl import (
    Cat,
    ClockSignal,
    Instance,
    Module,
    ResetSignal,
    Signal,
    Value,
    unsigned,
)
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.payloads import beat_layout, codebook_layout, sums_layout
from ..timing.schedule import schedule_widths
from ..timing.timing import column_latency
from .beat_steps import BeatSteps, Control, digit_controls
from .column import Column

COLUMN_MODULE = "adqhw_column"
"""Verilog name of the one column that an emitted array instantiates `cols` times."""


class LaneArray(wiring.Component):
    """`cols` dot products over the same activations; sums when a beat is `last`.

    The whole array freezes while finished sums wait to be accepted (`stall`), or while `hold`.

    Latency: `column_latency` cycles from the acceptance of a `last` beat to valid sums.
    Throughput: 1 beat per cycle; where lanes do not multiply, by the layer's `Schedule`.

    Members
    -------
    beats : `beat_layout`. sums : `sums_layout`, held until accepted.
    codebook : `codebook_layout`, always ready; load only while no beat is in flight.
    bypass : weight fields are levels. work : the layer's schedule, where beats take several cycles.
    configured : bypass and work are those of a new layer from the next cycle on.
    stall : the array waits for the consumer. hold : no register changes, sums are not offered.
    """

    def __init__(self, arch: Arch, *, instances: bool = False) -> None:
        self.arch = arch
        self.instances = instances
        ports = {
            "beats": In(stream.Signature(beat_layout(arch))),
            "codebook": In(stream.Signature(codebook_layout(arch), always_ready=True)),
            "bypass": In(1),
            "hold": In(1),
            "sums": Out(stream.Signature(sums_layout(arch))),
            "stall": Out(1),
        }
        if not arch.lanes.single_cycle:
            work = {name: unsigned(width) for name, width in schedule_widths(arch).items()}
            ports |= {"work": In(data.StructLayout(work)), "configured": In(1)}
        super().__init__(ports)

    @property
    def latency(self) -> int:
        """Of a layer whose beats take one cycle."""
        return column_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, waiting = Signal(), Signal()
        beat, sums = self.beats.payload, self.sums.payload
        m.d.comb += [
            self.sums.valid.eq(waiting & ~self.hold),
            self.stall.eq(self.sums.valid & ~self.sums.ready),
            advance.eq(~self.stall & ~self.hold),
        ]
        control = Control(advance=advance, take=advance, load=self.beats.valid)
        inputs = {"bypass": self.bypass, "activations": beat.activations, "advance": advance}
        if self.arch.lanes.single_cycle:
            m.d.comb += self.beats.ready.eq(advance)
            with m.If(advance):
                m.d.sync += [
                    control.adds.eq(self.beats.valid),
                    control.starts.eq(beat.first),
                    control.ends.eq(beat.last),
                ]
        else:
            m.submodules.steps = steps = BeatSteps(self.arch)
            inputs |= digit_controls(m, self, steps, control)
        inputs |= self.arch.lanes.tables(m, self, control)
        self.registers: dict[str, Any] = {"control": control}  # for proofs
        if not self.arch.lanes.single_cycle:
            self.registers["steps"] = steps
        self.columns: list[Column] = []  # those that are submodules, for benches
        inputs |= {"load": control.load} | self._tail(m, control, waiting)
        for col in range(self.arch.cols):
            self._column(m, f"column_{col}", inputs | {"weights": beat.weights[col]}, sums.acc[col])
        return m

    def _tail(self, m: Module, control: Control, waiting: Value) -> dict[str, Value]:
        """Control pipeline beside the data, one for all columns: products, tree sum, sums."""
        combine = self.arch.lanes.combine_cycles
        valid, first, last = (Signal(2, name=n) for n in ("valid", "first", "last"))
        done = Signal(1 + combine)
        stages = 3 + combine  # operands, products, tree sum; accumulators when they are combined
        channels = [Signal(self.arch.channel_width, name=f"channel_{i}") for i in range(stages)]
        with m.If(control.take):
            m.d.sync += channels[0].eq(self.beats.payload.channel)
        self.registers |= {"valid": valid, "first": first, "last": last, "done": done}
        self.registers["channels"] = channels
        following = [*channels[1:], self.sums.payload.channel]
        with m.If(control.advance):
            m.d.sync += [
                valid.eq(Cat(control.adds, valid)),
                first.eq(Cat(control.starts, first)),
                last.eq(Cat(control.ends, last)),
                *(new.eq(old) for new, old in zip(following, channels, strict=True)),
                done.eq(Cat(valid[-1] & last[-1], done)),
            ]
        m.d.comb += waiting.eq(done[-1])
        return {"add": valid[-1], "restart": first[-1], "combine": done[0]}

    def _column(self, m: Module, name: str, inputs: dict[str, Value], acc: Value) -> None:
        """A submodule for Amaranth's simulator, an instance of the one column in Verilog."""
        wanted = self.arch.lanes.column.ports(self.arch)
        inputs = {port: signal for port, signal in inputs.items() if port in wanted}
        if self.instances:
            ports = {f"i_{port}": signal for port, signal in inputs.items()}
            clocks = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
            m.submodules[name] = Instance(COLUMN_MODULE, **ports, **clocks, o_acc=acc)
            return
        column = m.submodules[name] = self.arch.lanes.column(self.arch)
        self.columns.append(column)
        m.d.comb += [getattr(column, port).eq(signal) for port, signal in inputs.items()]
        m.d.comb += acc.eq(column.acc)
