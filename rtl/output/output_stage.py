"""Output stage: sums, stored codes or maxima become the codes of one or two maps, or results."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.activation_memory import BANKS, word_layout, word_write_layout
from ..accelerator.ports import result_layout
from ..arch.arch import Arch
from ..arch.storage import address_width
from ..array.banks import group_layout
from ..layouts.held import (
    chunk_walk_layout,
    requant_row_layout,
    slot_width,
    stage_layout,
    threshold_row_layout,
)
from ..timing.held_timing import LANE_REQUANT_CYCLES, lane_threshold_cycles, stage_write_cycles
from .chunk_reader import ChunkReader
from .chunk_walker import ChunkWalker
from .output_lane import OutputLane
from .parameter_rows import ParameterRows
from .payloads import SOURCE_WIDTH, Source, chunk_layout, row_load_layout
from .place_tracker import PlaceTracker
from .selection import masked, selected

READ_STAGES = 5
"""Stages between the walk and the chunk that waits for its sums."""
WHOLE_STAGES = 2
"""Likewise for a word of maxima."""


class OutputStage(wiring.Component):
    """Runs the chunks of a pass: one per cycle, `out_lanes` sums or codes each.

    A chunk is taken in the cycle in which its sums are read; residual codes and parameters are read
    ahead. Latencies, exactly: `stage_write_cycles`, `stage_finish_cycles`, `STAGE_SETUP_CYCLES` of
    `rtl.timing.held_timing`. Throughput: a chunk per cycle. A result that is not accepted freezes
    all of it.

    Members
    -------
    stage, walk, source (`Source`), to_stream, final : of the pass, constant from setup to finished.
    setup : begin. finished : nothing of the pass is left; it falls in the cycle after setup.
    groups : `group_layout`, accepted with the last chunk of the group. slot : of the sums to read,
    accs : those of all columns, in the same cycle. In wide passes a block's first channel is in a
    lane that is a multiple of out_lanes, in every map.
    maxima : words; they are taken from MAXIMA_SETUP_CYCLES after setup on.
    thresholds, requants : rows to load, `row_load_layout`.
    read_bank, read_address, read_enable : the activation memory's port. words : of both banks,
    a cycle after a read.
    write : `word_write_layout` of the codes of the pass. second : of the chained ones. lanes: 0 in
    cycles without a write, and where codes are results; banks: those of the walk, at any time.
    result : `result_layout`, where to_stream; last: of a final pass.
    progress : a chunk or a result is taken in this cycle.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        storage = arch.storage
        self.walker, self.reader = ChunkWalker(arch), ChunkReader(arch)
        self.lanes = [OutputLane(arch) for _ in range(arch.out_lanes)]
        self.requant_rows = ParameterRows(arch, requant_row_layout(arch), storage.requant_rows)
        self.threshold_rows = ParameterRows(
            arch, threshold_row_layout(arch), storage.threshold_rows
        )
        self.place, self.second_place = PlaceTracker(arch), PlaceTracker(arch)
        self.codes_at, self.counts_at = LANE_REQUANT_CYCLES, lane_threshold_cycles(arch)
        rows = {
            "thresholds": threshold_row_layout(arch),
            "requants": requant_row_layout(arch),
        }
        super().__init__(
            {
                "stage": In(stage_layout(arch)),
                "walk": In(chunk_walk_layout(arch)),
                "source": In(SOURCE_WIDTH),
                "to_stream": In(1),
                "final": In(1),
                "setup": In(1),
                "finished": Out(1),
                "groups": In(stream.Signature(group_layout(arch))),
                "slot": Out(slot_width(arch)),
                "accs": In(data.ArrayLayout(signed(arch.acc_width), arch.cols)),
                "maxima": In(stream.Signature(word_layout(arch), always_ready=True)),
                **{
                    name: In(stream.Signature(row_load_layout(arch, row), always_ready=True))
                    for name, row in rows.items()
                },
                "read_bank": Out(1),
                "read_address": Out(address_width(storage.activation_words)),
                "read_enable": Out(1),
                "words": In(data.ArrayLayout(word_layout(arch), BANKS)),
                "write": Out(word_write_layout(arch)),
                "second": Out(word_write_layout(arch)),
                "result": Out(stream.Signature(result_layout(arch))),
                "progress": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Of the last codes that a chunk has."""
        return stage_write_cycles(self.arch, requant=False)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in (
            "walker", "reader", "requant_rows", "threshold_rows", "place", "second_place",
        ):  # fmt: skip
            m.submodules[name] = getattr(self, name)
        for i, lane in enumerate(self.lanes):
            m.submodules[f"lane_{i}"] = lane
        self.go, self.ahead, self.take = Signal(), Signal(), Signal()
        self.direct, self.whole = Signal(), Signal()
        m.d.comb += [
            self.direct.eq(self.source == Source.DIRECT),
            self.whole.eq(self.source == Source.MAXIMA),
            self.go.eq(~self.result.valid | self.result.ready),
            self.progress.eq(self.take | (self.result.valid & self.result.ready)),
        ]
        self._walk_ahead(m)
        self._sums(m)
        self._parameters(m)
        self._writes(m)
        self._results(m)
        self._finish(m)
        return m

    def _forward(self, chunk: data.View) -> Value:
        """The chunk's channels end `out_lanes` lanes of the map that is written."""
        return ~self.walk.narrow | chunk.lanes[-1]

    def _walk_ahead(self, m: Module) -> None:
        """Chunks on their way to the sums, and the codes that are read for them."""
        arch, walker, reader = self.arch, self.walker, self.reader
        self.early = [
            Signal(chunk_layout(arch), name=f"early_{i}") for i in range(1, READ_STAGES + 1)
        ]
        self.early_valid = Signal(READ_STAGES)
        waiting, ready = Signal(), Signal()
        m.d.comb += [
            waiting.eq(self.early_valid[READ_STAGES - 1]),
            ready.eq(self.direct | self.groups.valid),
            self.take.eq(
                Mux(
                    self.whole,
                    self.early_valid[WHOLE_STAGES - 1] & self.maxima.valid,
                    self.go & waiting & ready,
                )
            ),
            self.ahead.eq(
                Mux(
                    self.whole,
                    ~self.early_valid[WHOLE_STAGES - 1] | self.maxima.valid,
                    self.go & (~waiting | ready),
                )
            ),
            walker.walk.eq(self.walk),
            walker.setup.eq(self.setup),
            walker.step.eq(self.ahead),
            reader.walk.eq(self.walk),
            reader.enable.eq(self.direct | self.stage.skip),
            reader.setup.eq(self.setup),
            reader.advance.eq(self.ahead),
            reader.valid.eq(walker.active),
            reader.chunk.eq(walker.chunk),
            reader.words.eq(self.words),
            reader.bank.eq(self.read_bank),
            self.read_address.eq(reader.address),
            self.read_enable.eq(reader.request),
            self.read_bank.eq(~self.walk.read.banks[0]),
        ]
        chunks = [walker.chunk, *self.early]
        valid = Cat(walker.active, self.early_valid)
        kept = Cat(~self.whole | (i < WHOLE_STAGES) for i in range(READ_STAGES))
        with m.If(self.ahead):
            m.d.sync += [new.eq(old) for old, new in zip(chunks[:-1], self.early, strict=True)]
            m.d.sync += self.early_valid.eq(valid & kept)

    def _sums(self, m: Module) -> None:
        """Reads the sums of the waiting chunk; a cycle later a narrow pass chooses one of them."""
        arch, walk, lanes = self.arch, self.walk, self.arch.out_lanes
        chunk = self.early[-1]
        part, lane = Signal(range(arch.cols // lanes)), Signal(lanes, init=1)
        ends_group = self.slot + 1 == self.groups.payload.count
        m.d.comb += self.groups.ready.eq(
            self.take & self._from_array & chunk.pixel_end & ends_group
        )
        with m.If(self.setup):
            m.d.sync += [self.slot.eq(0), part.eq(0), lane.eq(1)]
        with m.Elif(self.take):
            m.d.sync += lane.eq(lane.rotate_left(1))
            with m.If(~walk.narrow | lane[-1]):
                m.d.sync += part.eq(part + 1)
            with m.If(chunk.pixel_end):
                m.d.sync += [part.eq(0), lane.eq(1), self.slot.eq(self.slot + 1)]
                with m.If(ends_group):
                    m.d.sync += self.slot.eq(0)
        codes = self.reader.codes
        sums = [Signal(signed(arch.acc_width), name=f"sum_{i}") for i in range(lanes)]
        skips = [Signal.like(codes[i], name=f"skip_{i}") for i in range(lanes)]
        sum_lane = Signal(lanes)
        with m.If(self.take):
            m.d.sync += sum_lane.eq(lane)
            for i in range(lanes):
                some = [self.accs[j] for j in range(i, arch.cols, lanes)]
                m.d.sync += [
                    sums[i].eq(Mux(self.direct, codes[i], selected(some, part))),
                    skips[i].eq(Mux(self.stage.skip, codes[i], 0)),
                ]
        one = Signal(signed(arch.acc_width))
        m.d.comb += one.eq(masked(sums, sum_lane))
        for i, unit in enumerate(self.lanes):
            m.d.comb += [
                unit.sum.eq(Mux(walk.narrow & ~self.direct, one, sums[i])),
                unit.skip.eq(skips[i]),
            ]

    @property
    def _from_array(self) -> Value:
        return ~self.direct & ~self.whole

    def _parameters(self, m: Module) -> None:
        """Chunks behind the sums; rows of parameters when their chunks need them."""
        arch, stage, last = self.arch, self.stage, self.counts_at
        self.late = [Signal(chunk_layout(arch), name=f"late_{i}") for i in range(last + 1)]
        self.late_valid = Signal(last + 1)
        # Chunks whose last code is that of the requantization end there.
        kept = Cat(
            Const(1, 1) if i <= self.codes_at else ~stage.requant | stage.chained
            for i in range(last + 1)
        )
        with m.If(self.go):
            m.d.sync += self.late_valid.eq(Cat(self.take & ~self.whole, self.late_valid) & kept)
            chunks = [self.early[-1], *self.late]
            m.d.sync += [new.eq(old) for old, new in zip(chunks[:-1], self.late, strict=True)]
        requants, thresholds = self.requant_rows, self.threshold_rows
        # Registers beside the lanes, which have no sum in the cycle after setup.
        half = Signal(unsigned(arch.requant.shift_max + 1))
        constants = Signal(stage_layout(arch))
        m.d.sync += [
            half.eq(Mux(stage.requant, (1 << stage.shift) >> 1, 0)),
            constants.eq(stage),
        ]
        begin = self.codes_at - thresholds.latency
        for rows, load, advance, valid, chunk in (
            (requants, self.requants, self.ahead, self.early_valid[-2], self.early[-2]),
            (thresholds, self.thresholds, self.go, self.late_valid[begin], self.late[begin]),
        ):
            m.d.comb += [
                rows.load.valid.eq(load.valid),
                rows.load.payload.eq(load.payload),
                rows.setup.eq(self.setup),
                rows.advance.eq(advance),
                rows.valid.eq(valid),
                rows.chunk.eq(chunk),
                rows.forward.eq(self._forward(chunk)),
            ]
        m.d.comb += [
            requants.base.eq(self.walk.parameter_base),
            requants.shared.eq(stage.shared),
            requants.enable.eq(stage.requant),
            thresholds.base.eq(Mux(stage.requant, self.walk.second_base, self.walk.parameter_base)),
            thresholds.shared.eq(Mux(stage.requant, stage.second_shared, stage.shared)),
            thresholds.enable.eq(~stage.requant | stage.chained),
        ]
        for i, unit in enumerate(self.lanes):
            m.d.comb += [
                unit.advance.eq(self.go),
                unit.valid.eq(self.late_valid[0]),
                unit.stage.eq(constants),
                unit.half.eq(half),
                unit.requant.eq(requants.row[i]),
                unit.requant_fresh.eq(requants.fresh),
                unit.thresholds.eq(thresholds.row[i]),
                unit.thresholds_fresh.eq(thresholds.fresh),
            ]

    def _writes(self, m: Module) -> None:
        """Codes into the words of the maps: code of lane l to every lane l mod out_lanes."""
        stage, walk = self.stage, self.walk
        at, counted = self.codes_at, self.counts_at
        self.valid, self.chunk = Signal(), Signal(chunk_layout(self.arch))
        before, before_valid = Signal(chunk_layout(self.arch)), Signal()
        m.d.comb += [
            self.chunk.eq(Mux(stage.requant, self.late[at], self.late[counted])),
            self.valid.eq(
                self.go & Mux(stage.requant, self.late_valid[at], self.late_valid[counted])
            ),
            before.eq(Mux(stage.requant, self.late[at - 1], self.late[counted - 1])),
            before_valid.eq(
                Mux(stage.requant, self.late_valid[at - 1], self.late_valid[counted - 1])
            ),
        ]
        first = self.early[WHOLE_STAGES - 2]
        place, second = self.place, self.second_place
        m.d.comb += [
            place.place.eq(walk.write),
            place.chunk.eq(Mux(self.whole, first, before)),
            place.valid.eq(Mux(self.whole, self.early_valid[WHOLE_STAGES - 2], before_valid)),
            place.advance.eq(Mux(self.whole, self.ahead, self.go)),
            second.place.eq(walk.second),
            second.chunk.eq(self.late[counted - 1]),
            second.valid.eq(self.late_valid[counted - 1]),
            second.advance.eq(self.go),
        ]
        for tracker in (place, second):
            m.d.comb += [
                tracker.setup.eq(self.setup),
                tracker.lane.eq(walk.lane),
                tracker.whole.eq(self.whole),
                tracker.forward.eq(self._forward(tracker.chunk)),
            ]
        main = [Mux(stage.requant, unit.code, unit.count) for unit in self.lanes]
        chained = self.go & self.late_valid[counted] & stage.chained
        self._write(m, self.write, place, self.valid & ~self.to_stream, self.chunk, main)
        counts = [unit.count for unit in self.lanes]
        self._write(m, self.second, second, chained, self.late[counted], counts)

    def _write(
        self,
        m: Module,
        write: data.View,
        tracker: PlaceTracker,
        valid: Value,
        chunk: data.View,
        codes: list[Value],
    ) -> None:
        rows, lanes = self.arch.rows, self.arch.out_lanes
        banks = tracker.place.banks
        width = self.arch.storage.code_width
        stored = [Signal(width, name=f"{write.as_value().name}_code_{i}") for i in range(lanes)]
        here = [tracker.part == part for part in range(rows // lanes)]
        below = [chunk.lanes[:lane].any() for lane in range(lanes)]
        given = [here[row // lanes] & chunk.lanes[row % lanes] for row in range(rows)]
        # Lanes above the pixel's last code are 0: what was never written is not read.
        above = [
            (tracker.part < row // lanes) | (here[row // lanes] & below[row % lanes] & ~given[row])
            for row in range(rows)
        ]
        written, filled = (Cat(valid & lane for lane in some) for some in (given, above))
        word = Cat(Mux(given[row], stored[row % lanes], 0) for row in range(rows))
        if write is self.write:
            written = Mux(self.whole, self.take.replicate(rows), written)
            word = Mux(self.whole, self.maxima.payload, word)
        # Whole expressions: Icarus 11 never wakes on parts of a signal set in two processes.
        m.d.comb += [
            *(new.eq(code) for new, code in zip(stored, codes, strict=True)),
            write.banks.eq(banks),
            write.address.eq(tracker.address),
            write.lanes.eq(written),
            write.filled.eq(Mux(chunk.pixel_end, filled, 0)),
            write.word.eq(word),
        ]

    def _results(self, m: Module) -> None:
        """Codes of narrow passes as a stream."""
        self.result_ends = Signal()
        code = Signal(signed(self.arch.out_width))
        m.d.comb += code.eq(
            masked([Mux(self.stage.requant, u.code, u.count) for u in self.lanes], self.chunk.lanes)
        )
        with m.If(self.go):
            m.d.sync += [
                self.result.valid.eq(self.valid & self.to_stream),
                self.result.payload.code.eq(code),
                self.result.payload.last.eq(self.final & self.chunk.last),
                self.result_ends.eq(self.chunk.last),
            ]

    def _finish(self, m: Module) -> None:
        """The pass runs until its last codes are written and its last result is taken."""
        running, counted = Signal(), self.counts_at
        last = Signal()
        with m.If(self.whole):
            m.d.comb += last.eq(self.take & self.early[WHOLE_STAGES - 1].last)
        with m.Elif(self.stage.chained):
            m.d.comb += last.eq(self.go & self.late_valid[counted] & self.late[counted].last)
        with m.Elif(self.to_stream):
            m.d.comb += last.eq(self.result.valid & self.result.ready & self.result_ends)
        with m.Else():
            m.d.comb += last.eq(self.valid & self.chunk.last)
        with m.If(self.setup):
            m.d.sync += running.eq(1)
        with m.Elif(last):
            m.d.sync += running.eq(0)
        m.d.comb += self.finished.eq(~running)
