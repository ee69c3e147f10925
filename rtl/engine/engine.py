"""Engine: array, drain and output stage behind streams; the top level of the emitted Verilog."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from ..arch.arch import Arch
from ..lanes.lane_array import LaneArray
from ..layouts.payloads import (
    acc_layout,
    beat_layout,
    codebook_layout,
    config_layout,
    requant_layout,
    threshold_layout,
)
from ..timing.schedule import schedule_widths
from ..timing.timing import array_latency, output_latency
from .drain import Drain
from .requant_unit import RequantUnit
from .threshold_unit import ThresholdUnit


class Engine(wiring.Component):
    """Runs one layer at a time: beats (or direct codes) in, output codes out.

    array -> drain -> threshold unit | requant unit -> outputs, and direct -> output stage for
    layers without weights. Before a layer: configuration, codebook, parameters; each only while
    nothing of the layer before is in flight.

    Latency: from the last beat of a group to its first output `latency(requant=)`, from a direct
    code to its output `direct_latency(requant=)`. Throughput: a beat per cycle (`Schedule` where
    lanes do not multiply), an output per cycle; a group of D beats takes max(D, cols) cycles.

    Members
    -------
    config, codebook, thresholds, requants : load ports, always ready.
    beat : `beat_layout`. direct : `acc_layout`. skip : residual codes in output order.
    output : signed codes, `out_width` bits. stall : the array waits for the drain.
    hold : the array does not advance; set while a blocked output must freeze the whole engine.
    """

    def __init__(
        self, arch: Arch, *, instances: bool = False, rows: tuple[int, int] | None = None
    ) -> None:
        self.arch = arch
        rows = rows or (1 << arch.channel_width,) * 2  # of the threshold and requant memories
        self.array = LaneArray(arch, instances=instances)
        self.drain = Drain(arch)
        self.threshold_unit = ThresholdUnit(arch, rows=rows[0])
        self.requant_unit = RequantUnit(arch, rows=rows[1])
        super().__init__(
            {
                "config": In(stream.Signature(config_layout(arch), always_ready=True)),
                "codebook": In(stream.Signature(codebook_layout(arch), always_ready=True)),
                "thresholds": In(stream.Signature(threshold_layout(arch), always_ready=True)),
                "requants": In(stream.Signature(requant_layout(arch), always_ready=True)),
                "beat": In(stream.Signature(beat_layout(arch))),
                "direct": In(stream.Signature(acc_layout(arch))),
                "skip": In(stream.Signature(signed(arch.requant.skip_width))),
                "hold": In(1),
                "output": Out(stream.Signature(signed(arch.out_width))),
                "stall": Out(1),
            }
        )

    def latency(self, *, requant: bool) -> int:
        """Cycles from an accepted last beat to the valid output of column 0."""
        return array_latency(self.arch, requant=requant)

    def direct_latency(self, *, requant: bool) -> int:
        """Cycles from an accepted direct code to its valid output."""
        return output_latency(self.arch, requant=requant)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array, m.submodules.drain = array, drain = self.array, self.drain
        m.submodules.threshold, m.submodules.requant = self.threshold_unit, self.requant_unit
        config = Signal(config_layout(self.arch))
        with m.If(self.config.valid):
            m.d.sync += config.eq(self.config.payload)
        connect(m, wiring.flipped(self.beat), array.beats)
        connect(m, wiring.flipped(self.codebook), array.codebook)
        connect(m, wiring.flipped(self.thresholds), self.threshold_unit.parameters)
        connect(m, wiring.flipped(self.requants), self.requant_unit.parameters)
        connect(m, wiring.flipped(self.skip), self.requant_unit.skips)
        connect(m, array.sums, drain.sums)
        requant = self.requant_unit
        m.d.comb += [
            array.bypass.eq(config.bypass),
            array.hold.eq(self.hold),
            self.stall.eq(array.stall),
            requant.use_skip.eq(config.skip),
            requant.shift.eq(config.shift),
            requant.skip_multiplier.eq(config.skip_multiplier),
            requant.out_min.eq(config.out_min),
            requant.out_max.eq(config.out_max),
        ]
        if not self.arch.lanes.single_cycle:
            m.d.comb += array.configured.eq(self.config.valid)
            for name in schedule_widths(self.arch):
                m.d.comb += getattr(array.work, name).eq(getattr(config, name))
        self._route(m, config)
        return m

    def _route(self, m: Module, config: data.View) -> None:
        """Source (drain or direct) to output stage (threshold or requant) to the output."""
        threshold, requant = self.threshold_unit, self.requant_unit
        accs, direct = self.drain.accs, self.direct
        valid, ready = Signal(), Signal()
        m.d.comb += [
            valid.eq(Mux(config.direct, direct.valid, accs.valid)),
            ready.eq(Mux(config.requant, requant.accs.ready, threshold.accs.ready)),
            accs.ready.eq(ready & ~config.direct),
            direct.ready.eq(ready & config.direct),
            threshold.accs.valid.eq(valid & ~config.requant),
            requant.accs.valid.eq(valid & config.requant),
            self.output.valid.eq(Mux(config.requant, requant.codes.valid, threshold.codes.valid)),
            self.output.payload.eq(
                Mux(config.requant, requant.codes.payload, threshold.codes.payload)
            ),
            requant.codes.ready.eq(self.output.ready & config.requant),
            threshold.codes.ready.eq(self.output.ready & ~config.requant),
        ]
        # Whole expressions: Icarus 11 never wakes on parts of a signal set in two processes.
        chosen = Signal.like(direct.payload)
        m.d.comb += chosen.eq(Mux(config.direct, direct.payload, accs.payload))
        channel = Mux(config.shared, config.shared_channel, chosen.channel)
        for unit in (threshold, requant):
            m.d.comb += Value.cast(unit.accs.payload).eq(Cat(chosen.acc, channel))
