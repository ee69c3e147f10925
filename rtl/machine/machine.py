"""Machine: a whole network from one `start` to `done`, on an array that holds weights."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import connect

from ..accelerator.max_pool import MaxPool
from ..accelerator.ports import Target, accelerator_members
from ..arch.arch import Arch
from ..array.held_array import HeldArray
from ..dma.job_engine import JobEngine
from ..layouts.counters import events_of
from ..layouts.descriptor import PassKind
from ..output.output_stage import OutputStage
from ..output.payloads import Source
from ..timing.schedule import schedule_widths
from .beat_buffer import BeatBuffer
from .feeder import HeldFeeder
from .fold_unit import FoldUnit
from .memories import HeldActivationMemory
from .sequencer import HeldSequencer
from .weight_feeder import WeightFeeder


class Machine(wiring.Component):
    """Memories, walkers and sequencer around array and output stage.

    Latency and throughput: `rtl.timing.network_cycles`, exactly.

    Members
    -------
    load : `load_layout`, always ready; only while not busy. start, busy, done : one image.
    image : codes of the input, pixel by pixel, channels innermost. image_last : the next code is
    the image's last one. result : `result_layout`, in the order of the last layer's output
    stage; while it is not accepted, the output stage waits, and the array when it has no free
    accumulators.
    counters, record, ended : of the sequencer. write, second : `write_layout`, codes of the pass
    and chained codes, for benches: tensors that are not stored are written there too. progress :
    a level, weight word, beat, chunk, code, row or result is transferred in this cycle.
    external : of an `AxiMaster`, where the Arch has external memory.
    """

    def __init__(self, arch: Arch, *, instances: bool = False) -> None:
        self.arch = arch
        self.sequencer = HeldSequencer(arch)
        self.memory = HeldActivationMemory(arch)
        self.array = HeldArray(arch, instances=instances)
        self.feeder, self.weights = HeldFeeder(arch), WeightFeeder(arch)
        self.buffer = BeatBuffer(arch)
        self.fold, self.pool, self.stage = FoldUnit(arch), MaxPool(arch), OutputStage(arch)
        self.jobs = None if arch.external is None else JobEngine(arch)
        super().__init__(accelerator_members(arch))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in (
            "sequencer", "memory", "array", "feeder", "buffer", "weights", "fold", "pool", "stage",
        ):  # fmt: skip
            m.submodules[name] = getattr(self, name)
        sequencer, descriptor = self.sequencer, self.sequencer.descriptor
        names = ("busy", "done", "counters", "record", "ended")
        self.begin = Signal()  # of what the pass does itself
        self.passed, self.moving = Signal(), Signal()  # its end; jobs are not at theirs
        self.row = Signal.like(self.load.payload)  # what is loaded, by the host or by jobs
        self.loading = Signal()
        kind = {name: Signal(name=name.lower()) for name in PassKind.__members__}
        m.d.comb += [
            *(flag.eq(descriptor.kind == PassKind[name]) for name, flag in kind.items()),
            sequencer.start.eq(self.start),
            *(getattr(self, name).eq(getattr(sequencer, name)) for name in names),
            self.begin.eq(sequencer.setup & ~descriptor.idle),
            self.passed.eq(
                descriptor.idle | Mux(kind["INPUT"], self.fold.finished, self.stage.finished)
            ),
            sequencer.finished.eq(self.passed & ~self.moving),
        ]
        self._loads(m)
        self._operands(m, descriptor, kind)
        self._sums(m, descriptor, kind)
        self._codes(m, descriptor, kind)
        if self.jobs is not None:
            self._jobs(m, self.jobs, descriptor)
        self._count(m)
        return m

    def _count(self, m: Module) -> None:
        """Events, and whether anything moves."""
        array, result, image = self.array, self.result, self.image
        events = {
            "beats": array.beats.valid & array.beats.ready,
            "drain_stalls": array.stalls.sums,
            "input_stalls": image.ready & ~image.valid,
            "output_stalls": result.valid & ~result.ready,
            "word_stalls": array.stalls.words,
        }
        if self.jobs is not None:
            events |= {
                "external_stalls": self.passed & self.moving,
                "beats_read": self.jobs.read_beat,
                "beats_written": self.jobs.written_beat,
            }
        moving = [
            self.sequencer.codebook.valid,
            self.sequencer.setup,
            events["beats"],
            array.fields.valid & array.fields.ready,
            self.pool.beats.valid,
            image.valid & image.ready,
            self.stage.progress,
        ]
        if self.jobs is not None:
            moving += [events["beats_read"], events["beats_written"], self.jobs.load.valid]
        m.d.comb += [
            self.sequencer.events.eq(Cat(events[name] for name in events_of(self.arch))),
            self.progress.eq(Cat(moving).any()),
        ]

    def _loads(self, m: Module) -> None:
        """Rows to every memory. Initial activations are written by `_codes`."""
        load, row, bits = self.row, self.row.row, self.row.data
        host, jobs = self.load, self.jobs
        m.d.comb += [self.loading.eq(host.valid), load.eq(host.payload)]
        if jobs is not None:
            with m.If(self.busy):
                m.d.comb += [self.loading.eq(jobs.load.valid), load.eq(jobs.load.payload)]

        def chosen(target: Target) -> Value:
            return self.loading & (load.target == target)

        sequencer, planes = self.sequencer, self.weights.load
        m.d.comb += [
            sequencer.pass_load.valid.eq(chosen(Target.PASSES)),
            sequencer.pass_load.payload.eq(Cat(row[: sequencer.number_width], bits)),
            sequencer.codebook_load.valid.eq(chosen(Target.CODEBOOKS)),
            sequencer.codebook_load.payload.row.eq(row),
            sequencer.codebook_load.payload.level.eq(bits.as_signed()),
            planes.valid.eq(self.loading & (load.target >= Target.WEIGHTS)),
            planes.payload.bank.eq(load.target - Target.WEIGHTS),
            planes.payload.row.eq(row),
            planes.payload.bits.eq(bits),
        ]
        for target, port in (
            (Target.THRESHOLDS, self.stage.thresholds),
            (Target.REQUANTS, self.stage.requants),
        ):
            m.d.comb += [
                port.valid.eq(chosen(target)),
                port.payload.row.eq(row),
                port.payload.bits.eq(bits),
            ]

    def _operands(self, m: Module, descriptor: data.View, kind: dict[str, Signal]) -> None:
        """Words of activations and weights to the array, or words to the maximum."""
        feeder, weights, memory, fold = self.feeder, self.weights, self.memory, self.fold
        m.d.comb += [
            feeder.feed.eq(descriptor.feed),
            feeder.pooling.eq(kind["MAX_POOL"]),
            feeder.setup.eq(self.begin & (kind["ARRAY"] | kind["MAX_POOL"])),
            weights.feed.eq(descriptor.feed),
            weights.extend.eq(descriptor.bypass),
            weights.setup.eq(self.begin & kind["ARRAY"]),
            # the input pass reads its padding codes in bank 0
            memory.feed_bank.eq(~kind["INPUT"] & descriptor.feed.bank),
            memory.feed_address.eq(Mux(kind["INPUT"], fold.address, feeder.address)),
            memory.feed_enable.eq(Mux(kind["INPUT"], fold.enable, feeder.enable)),
            feeder.banks.eq(memory.words),
            fold.word.eq(memory.words[0]),
            self.pool.codes_signed.eq(descriptor.feed_signed),
        ]
        connect(m, feeder.beats, self.buffer.source)
        connect(m, self.buffer.beats, self.array.beats)
        connect(m, feeder.words, self.pool.beats)
        connect(m, weights.fields, self.array.fields)

    def _sums(self, m: Module, descriptor: data.View, kind: dict[str, Signal]) -> None:
        """Array and maximum to the output stage."""
        array, stage, memory = self.array, self.stage, self.memory
        connect(m, self.sequencer.codebook, array.codebook)
        connect(m, array.groups, stage.groups)
        connect(m, self.pool.words, stage.maxima)
        m.d.comb += [
            array.bypass.eq(descriptor.bypass),
            array.slot.eq(stage.slot),
            stage.accs.eq(array.accs),
            stage.stage.eq(descriptor.stage),
            stage.walk.eq(descriptor.walk),
            stage.setup.eq(self.begin & ~kind["INPUT"]),
            stage.source.eq(
                Mux(
                    kind["ARRAY"],
                    Source.ARRAY,
                    Mux(kind["DIRECT"], Source.DIRECT, Source.MAXIMA),
                )
            ),
            stage.to_stream.eq(descriptor.to_stream),
            stage.final.eq(descriptor.final),
            memory.read_bank.eq(stage.read_bank),
            memory.read_address.eq(stage.read_address),
            memory.read_enable.eq(stage.read_enable),
            stage.words.eq(memory.words),
        ]
        if not self.arch.lanes.single_cycle:
            m.d.comb += array.configured.eq(self.sequencer.setup)
            for name in schedule_widths(self.arch):
                m.d.comb += getattr(array.work, name).eq(getattr(descriptor.schedule, name))

    def _jobs(self, m: Module, jobs: JobEngine, descriptor: data.View) -> None:
        """Transfers beside the pass; words of the activation memory through ports that no unit of
        the pass uses."""
        memory, load, row = self.memory, self.load.payload, jobs.load.payload
        words = Signal()
        written = {
            "banks": Cat(words & ~row.target[0], words & row.target[0]),
            "address": row.row[: len(memory.job.address)],
            "lanes": words.replicate(self.arch.rows),
            "filled": Const(0, self.arch.rows),
            "word": row.data[: len(memory.job.word.as_value())],
        }
        m.submodules.jobs = jobs
        connect(m, jobs.memory, wiring.flipped(self.external))
        m.d.comb += [
            jobs.begin.eq(self.sequencer.setup),
            jobs.first.eq(descriptor.first_job),
            jobs.count.eq(descriptor.jobs),
            self.moving.eq(jobs.active),
            jobs.jobs.valid.eq(self.load.valid & (load.target == Target.JOBS)),
            jobs.jobs.payload.row.eq(load.row),
            jobs.jobs.payload.job.eq(load.data),
            memory.job_read_bank.eq(jobs.read_bank),
            memory.job_read_address.eq(jobs.read_address),
            memory.job_read_enable.eq(jobs.read_enable),
            jobs.read_word.eq(memory.job_read_word),
            words.eq(jobs.load.valid & (row.target >> 1 == Target.ACTIVATIONS >> 1)),
            # as a whole: Icarus 11 never wakes on parts that are set apart
            memory.job.eq(Cat(written[name] for name in memory.job.shape().members)),
        ]

    def _codes(self, m: Module, descriptor: data.View, kind: dict[str, Signal]) -> None:
        """Image, codes of the pass and results; initial activations."""
        fold, stage, memory = self.fold, self.stage, self.memory
        load, main = self.load.payload, Signal.like(memory.write)
        connect(m, wiring.flipped(self.image), fold.image)
        connect(m, stage.result, wiring.flipped(self.result))
        m.d.comb += [
            fold.fold.eq(descriptor.fold),
            fold.walk.eq(descriptor.walk),
            fold.setup.eq(self.begin & kind["INPUT"]),
            self.image_last.eq(fold.image_last & ~descriptor.more),
            main.eq(Mux(kind["INPUT"], fold.write, stage.write)),
            memory.write.eq(main),
            memory.second.eq(stage.second),
        ]
        for port, layer, written in (
            (self.write, descriptor.layer, main),
            (self.second, descriptor.second_layer, stage.second),
        ):
            m.d.comb += port.layer.eq(layer)
            m.d.comb += [getattr(port, n).eq(getattr(written, n)) for n in port.shape().members
                         if n != "layer"]  # fmt: skip
        with m.If(self.load.valid & (load.target >> 1 == Target.ACTIVATIONS >> 1)):
            m.d.comb += [
                memory.write.banks.eq(1 << load.target[0]),
                memory.write.address.eq(load.row),
                memory.write.word.eq(load.data),
                memory.write.lanes.eq(~0),
            ]
