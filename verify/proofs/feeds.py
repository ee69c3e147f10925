"""Feed of arrays that hold weights: beats, fields and words in order, none lost or doubled."""

from amaranth.hdl import Assert, Assume, Cat, Cover, Mux, Signal, Value

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.machine.beat_buffer import BeatBuffer
from adqhw.rtl.machine.feeder import HeldFeeder
from adqhw.rtl.machine.fold_unit import FoldUnit
from adqhw.rtl.machine.group_walker import FLAGS
from adqhw.rtl.machine.weight_feeder import WeightFeeder

from .multi_cycle import steady
from .prover import Design
from .streams import SMALL, as_many, inputs, offered_stays

STORAGE = Storage(
    code_width=2, activation_words=4, weight_rows=2, threshold_rows=2, requant_rows=2,
    codebook_rows=2, passes=2,
)  # fmt: skip


def arch(*, rows: int = 1, cols: int = 2, fill: int = 2) -> Arch:
    return Arch(
        rows=rows, cols=cols, hold=max(2, fill), fill=fill, channels=2, act_width=2, weight_width=2,
        level_width=3, acc_width=8, threshold_width=1, out_width=5, requant=SMALL, storage=STORAGE,
    )  # fmt: skip


def held_feeder() -> Design:
    """A beat or a word for every position of the walk, in order, with its slot and its flags.

    Assumed: a pass begins when the one before has ended; what its descriptor says stays.
    """
    unit = HeldFeeder(arch())
    m = unit.elaborate(None)
    walker, offered = unit.walker, unit.registers["offered"]
    for value in (unit.pooling, unit.feed):
        steady(m, value)
    stages = [walker.registers["summed"], walker.active, unit.registers["read"], offered]
    m.d.comb += Assume(~unit.setup | ~Cat(walker.walking, *stages).any())
    ports = unit.beats, unit.words
    for port in ports:
        offered_stays(m, port)
    went = Cat(port.valid & port.ready for port in ports).any()
    as_many(m, walker.moving, went, stages)
    seen = [getattr(walker, name) for name in ("slot", *FLAGS)]
    line = [Signal(len(Cat(seen)), name=f"flags_{i}") for i in range(2)]
    with m.If(walker.step):
        m.d.sync += [new.eq(old) for new, old in zip(line, [Cat(seen), *line], strict=False)]
    beat = unit.beats.payload
    flags = Cat(getattr(beat, name) for name in ("slot", *FLAGS))
    m.d.comb += [
        Assert(~unit.registers["read"] | (unit.registers["flags"][1:] == line[0])),
        Assert(~offered | (flags == line[1])),
        Assert(~(unit.beats.valid & unit.words.valid)),
    ]
    return Design(module=m, ports=inputs(unit), shown=stages)


def beat_buffer() -> Design:
    """Beats leave in their order, each once; what waits is the one that came last."""
    unit = BeatBuffer(arch())
    m = unit.elaborate(None)
    source, beats = unit.source, unit.beats
    came, went = source.valid & source.ready, beats.valid & beats.ready
    offered, given = Value.cast(source.payload), Value.cast(beats.payload)
    latest = Signal(len(offered), name="latest")
    with m.If(came):
        m.d.sync += latest.eq(offered)
    as_many(m, came, went, [unit.full])
    m.d.comb += [
        Assert(~unit.full | (Value.cast(unit.waiting) == latest)),
        Assert(given == Mux(unit.full, latest, offered)),
        Assert(beats.valid == (unit.full | source.valid)),
    ]
    return Design(module=m, ports=inputs(unit), shown=[unit.full, latest])


def weight_feeder(fill: int) -> Design:
    """Positions of a word one after the other, the first one after the last; none is left out.

    Assumed: a pass begins when the one before has ended.
    """
    unit = WeightFeeder(arch(cols=fill, fill=fill))
    m = unit.elaborate(None)
    r, fields = unit.registers, unit.fields
    offered_stays(m, fields)
    stages = [r["read"], r["held"], fields.valid]
    m.d.comb += Assume(~unit.setup | ~Cat(r["walking"], *stages).any())
    went = fields.valid & fields.ready
    as_many(m, unit.weights.enable, went, stages)
    due = Signal(range(fill), name="due")  # position of the next transfer
    with m.If(unit.setup):
        m.d.sync += due.eq(0)
    with m.Elif(went):
        m.d.sync += due.eq(Mux(due == fill - 1, 0, due + 1))
    valid = [fields.valid, r["held"], r["read"], r["walking"]]
    at = [fields.payload.position, *r["positions"]]
    wanted = due
    for there, position in zip(valid, at, strict=True):
        following = Signal(range(fill), name="following")
        m.d.comb += following.eq(Mux(there, Mux(wanted == fill - 1, 0, wanted + 1), wanted))
        m.d.comb += Assert(~there | (position == wanted))
        wanted = following
    m.d.comb += [Assert(due < fill), Cover(went & (due == fill - 1))]
    return Design(module=m, ports=inputs(unit), shown=[due, *stages])


def fold_unit(rows: int) -> Design:
    """Every word that is complete is written once, out of the last `rows` codes that came.

    Assumed: a pass begins when the one before has ended; what its descriptor says stays.
    """
    unit = FoldUnit(arch(rows=rows, cols=2))
    m = unit.elaborate(None)
    r, image = unit.registers, unit.image
    shift, mark = r["shift"], r["mark"]
    m.d.comb += Assume(~unit.setup | (unit.finished & ~r["mark"].any()))
    steady(m, unit.fold)
    written = unit.write.lanes.any()
    came = sum(r["complete"])
    due, done = Signal(8, name="due"), Signal(8, name="done")
    with m.If(shift):
        m.d.sync += due.eq(due + came)
    m.d.sync += done.eq(done + written)
    taken = image.valid & image.ready
    newest, fresh = Signal.like(image.payload, name="newest"), Signal(name="fresh")
    with m.If(shift):
        m.d.sync += [newest.eq(image.payload), fresh.eq(taken)]
    m.d.comb += [
        Assert((due - done)[:8] == sum(mark)),
        Assert(~(unit.finished & (r["active"] | r["running"] | r["before"]))),
        Assert(~(r["before"] & (r["running"] | r["written"] | mark.any()))),
        Assert(~taken | shift),  # a code that is taken enters the chain
        Assert(r["more"] == (mark & (mark - 1)).any()),
        Assert(~mark.any() | ((mark & (~mark + 1)) == (1 << r["number"]))),
        Assert(~shift | (mark & (mark - 1) == 0)),  # the chain waits for all words but one
        Assert(~fresh | (r["chain"][rows - 1] == newest)),
        Cover(written),
        Cover(due == 3),
    ]
    return Design(module=m, ports=inputs(unit), shown=[mark, due, done])
