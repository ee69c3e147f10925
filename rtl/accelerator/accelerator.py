"""Accelerator: a whole network from one `start` to `done`; everything on chip."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import connect

from ..arch.arch import Arch
from ..engine.engine import Engine
from ..layouts.descriptor import PassKind, with_row_numbers
from .activation_memory import ActivationMemory
from .feeder import BeatFeeder
from .max_pool import MaxPool
from .ports import Target, accelerator_members
from .reader import CodeReader
from .sequencer import Sequencer
from .walker import Walker


class Accelerator(wiring.Component):
    """Memories, walkers and sequencer around the engine.

    Latency and throughput: `rtl.timing.network_cycles`, exactly.

    Members
    -------
    load : `load_layout`, always ready; only while not busy. start, busy, done : one image.
    image : codes of the input, pixel by pixel, channels innermost. image_last : the next code is
    the image's last one. result : `result_layout`, in the order of the last layer's output
    stage; while it is not accepted, the whole engine is frozen.
    counters, record, ended : of the sequencer. write : `write_layout`, for benches. progress :
    a level, beat, word, code or result is transferred in this cycle.
    """

    def __init__(self, arch: Arch, *, instances: bool = False) -> None:
        self.arch = arch = with_row_numbers(arch)
        rows = arch.storage.threshold_rows, arch.storage.requant_rows
        self.engine = Engine(arch, instances=instances, rows=rows)
        self.sequencer = Sequencer(arch)
        self.memory = ActivationMemory(arch)
        self.feeder, self.reader = BeatFeeder(arch), CodeReader(arch)
        self.pool, self.writer = MaxPool(arch), Walker(arch)
        super().__init__(accelerator_members(arch))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in ("engine", "sequencer", "memory", "feeder", "reader", "pool", "writer"):
            m.submodules[name] = getattr(self, name)
        sequencer, descriptor = self.sequencer, self.sequencer.descriptor
        self.hold = Signal()
        m.d.comb += [
            sequencer.start.eq(self.start),
            *(
                getattr(self, name).eq(getattr(sequencer, name))
                for name in ("busy", "done", "counters", "record", "ended")
            ),
            sequencer.finished.eq(~self.writer.active),
            self.hold.eq(self.result.valid & ~self.result.ready),
            sequencer.events.eq(
                Cat(
                    self.engine.beat.valid & self.engine.beat.ready,
                    self.engine.stall,
                    self.image.ready & ~self.image.valid,
                    self.hold,
                )
            ),
        ]
        connect(m, sequencer.codebook, self.engine.codebook)
        self._loads(m)
        self._feed(m, descriptor)
        self._read(m, descriptor)
        self._write(m, descriptor)
        moving = Cat(
            sequencer.codebook.valid,
            sequencer.setup,
            self.feeder.enable,
            self.reader.enable,
            self.writer.step,
        )
        m.d.comb += self.progress.eq(moving.any())
        return m

    def _loads(self, m: Module) -> None:
        """The load port to every memory. Initial activations are written by `_write`."""
        load, row = self.load.payload, self.load.payload.row
        data_bits = load.data

        def chosen(target: Target) -> Value:
            return self.load.valid & (load.target == target)

        sequencer, engine, planes = self.sequencer, self.engine, self.feeder.load
        m.d.comb += [
            sequencer.pass_load.valid.eq(chosen(Target.PASSES)),
            sequencer.pass_load.payload.eq(Cat(row[: sequencer.number_width], data_bits)),
            sequencer.codebook_load.valid.eq(chosen(Target.CODEBOOKS)),
            sequencer.codebook_load.payload.row.eq(row),
            sequencer.codebook_load.payload.level.eq(data_bits.as_signed()),
            engine.thresholds.valid.eq(chosen(Target.THRESHOLDS)),
            engine.thresholds.payload.eq(Cat(row[: self.arch.channel_width], data_bits)),
            engine.requants.valid.eq(chosen(Target.REQUANTS)),
            engine.requants.payload.eq(Cat(row[: self.arch.channel_width], data_bits)),
            planes.valid.eq(self.load.valid & (load.target >= Target.WEIGHTS)),
            planes.payload.bank.eq(load.target - Target.WEIGHTS),
            planes.payload.row.eq(row),
            planes.payload.bits.eq(data_bits),
        ]

    def _feed(self, m: Module, descriptor: data.View) -> None:
        """Beats to the array, or words to the maximum."""
        feeder, memory, engine, pool = self.feeder, self.memory, self.engine, self.pool
        array, pooling = descriptor.kind == PassKind.ARRAY, descriptor.kind == PassKind.MAX_POOL
        fed, beat = feeder.beats.payload, engine.beat.payload
        m.d.comb += [
            feeder.feed.eq(descriptor.feed),
            feeder.parameter_base.eq(descriptor.parameter_base),
            feeder.setup.eq(self.sequencer.setup & (array | pooling)),
            feeder.bypass.eq(descriptor.config.bypass),
            feeder.hold.eq(self.hold),
            engine.hold.eq(self.hold),
            memory.feed_bank.eq(descriptor.feed_bank),
            memory.feed_address.eq(feeder.address),
            memory.feed_enable.eq(feeder.enable),
            feeder.word.eq(memory.feed_word),
            feeder.beats.ready.eq(Mux(array, engine.beat.ready, pool.beats.ready)),
            engine.beat.valid.eq(feeder.beats.valid & array),
            pool.beats.valid.eq(feeder.beats.valid & pooling),
            pool.beats.payload.eq(fed),
            pool.codes_signed.eq(descriptor.codes_signed),
            *(
                getattr(beat, n).eq(getattr(fed, n))
                for n in ("weights", "channel", "first", "last")
            ),
            *(code.eq(stored) for code, stored in zip(beat.activations, fed.word, strict=True)),
            engine.config.valid.eq(self.sequencer.setup),
            engine.config.payload.eq(descriptor.config),
        ]

    def _read(self, m: Module, descriptor: data.View) -> None:
        """Single codes to the residual port, or straight to the output stage."""
        reader, memory, engine = self.reader, self.memory, self.engine
        direct, code = descriptor.kind == PassKind.DIRECT, self.reader.codes.payload
        m.d.comb += [
            reader.walk.eq(descriptor.read),
            reader.setup.eq(self.sequencer.setup & (direct | descriptor.config.skip)),
            reader.codes_signed.eq(descriptor.codes_signed),
            memory.read_bank.eq(descriptor.read_bank),
            memory.read_address.eq(reader.address),
            memory.read_enable.eq(reader.enable),
            reader.word.eq(memory.read_word),
            reader.codes.ready.eq(Mux(direct, engine.direct.ready, engine.skip.ready)),
            engine.direct.valid.eq(reader.codes.valid & direct),
            engine.direct.payload.acc.eq(code.code),
            engine.direct.payload.channel.eq(descriptor.parameter_base + code.channel),
            engine.skip.valid.eq(reader.codes.valid & ~direct),
            engine.skip.payload.eq(code.code),
        ]

    def _write(self, m: Module, descriptor: data.View) -> None:
        """Codes of the pass to the activation memory or to the result; initial activations."""
        writer, memory, engine = self.writer, self.memory, self.engine
        storing = descriptor.kind == PassKind.INPUT
        pooling = descriptor.kind == PassKind.MAX_POOL
        width = max(self.arch.out_width, self.arch.storage.code_width) + 1
        taken, code = Signal(), Signal(signed(width))
        to_result = descriptor.to_stream & writer.inside
        m.d.comb += [
            writer.walk.eq(descriptor.write),
            writer.setup.eq(self.sequencer.setup),
            self.image.ready.eq(storing & writer.active),
            self.image_last.eq(storing & writer.last),
            self.result.valid.eq(engine.output.valid & to_result),
            self.result.payload.code.eq(engine.output.payload),
            self.result.payload.last.eq(descriptor.final & writer.last_inside),
            engine.output.ready.eq(~to_result | self.result.ready),
            code.eq(Mux(storing, self.image.payload, engine.output.payload)),
            self.write.layer.eq(descriptor.layer),
            self.write.address.eq(writer.address),
        ]
        with m.If(storing):
            m.d.comb += taken.eq(self.image.valid & self.image.ready)
        with m.Elif(pooling):
            m.d.comb += taken.eq(self.pool.words.valid)
        with m.Else():
            m.d.comb += taken.eq(engine.output.valid & engine.output.ready)
        lane, lanes = Signal(self.arch.rows), Signal(self.arch.rows)
        m.d.comb += [
            writer.step.eq(taken),
            lane.eq(1 << writer.lane),
            memory.write_banks.eq(descriptor.write_banks),
            memory.write_address.eq(writer.address),
            memory.write_word.eq(self.write.word),
            memory.write_lanes.eq(lanes),
            self.write.lanes.eq(lanes),
        ]
        with m.If(taken & writer.inside & ~descriptor.to_stream):
            m.d.comb += lanes.eq(Mux(pooling, ~0, lane))
        m.d.comb += [
            stored.eq(Mux(pooling, best, code))
            for stored, best in zip(self.write.word, self.pool.words.payload, strict=True)
        ]
        load = self.load.payload
        initial = self.load.valid & (load.target >> 1 == Target.ACTIVATIONS >> 1)
        with m.If(initial):
            m.d.comb += [
                memory.write_banks.eq(1 << load.target[0]),
                memory.write_address.eq(load.row),
                memory.write_word.eq(load.data),
                memory.write_lanes.eq(~0),
            ]
