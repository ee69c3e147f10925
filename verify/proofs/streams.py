"""Stream rules: an offered payload stays until accepted; none is lost or duplicated."""

from amaranth.hdl import Assert, Assume, Cat, Cover, Mux, Signal, Value

from adqhw.rtl.accelerator.feeder import BeatFeeder
from adqhw.rtl.accelerator.max_pool import MaxPool
from adqhw.rtl.accelerator.reader import CodeReader
from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.arch.registry import DEFAULT
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.bus.host_port import HostPort
from adqhw.rtl.bus.image_gate import ImageGate
from adqhw.rtl.bus.result_gate import ResultGate
from adqhw.rtl.engine.drain import Drain
from adqhw.rtl.engine.engine import Engine
from adqhw.rtl.lanes.lane_array import LaneArray

from .prover import Design

SMALL = RequantWidths(
    multiplier_width=4, bias_width=8, shift_max=7, skip_multiplier_width=4, skip_width=5
)
STORAGE = Storage(
    activation_words=4, weight_rows=2, threshold_rows=2, requant_rows=2, codebook_rows=2, passes=2
)


def arch(micro: str = DEFAULT, *, rows: int = 2, cols: int = 3) -> Arch:
    return Arch(
        rows=rows, cols=cols, micro=micro, channels=2, act_width=2, weight_width=2,
        level_width=3, acc_width=8, threshold_width=1, out_width=5, bin_width=4,
        requant=SMALL, storage=STORAGE,
    )  # fmt: skip


def inputs(unit) -> list[Value]:
    """Every input port of a component."""
    flat = unit.signature.flatten(unit)
    values = [(Value.cast(v), member) for _, member, v in flat if member.flow.value == "In"]
    return [value for value, _ in values if hasattr(value, "name")]


def offered_stays(m, port, *, frozen=0, holds=1):
    """valid and payload hold until ready. frozen: not offered, but still there (`holds`)."""
    waited, kept = Signal(name="waited"), Signal(len(Value.cast(port.payload)), name="kept")
    now = Value.cast(port.payload).as_unsigned()
    stuck = port.valid & ~port.ready
    m.d.sync += [kept.eq(now), waited.eq(stuck | (waited & frozen))]
    m.d.comb += Assert(~waited | ((port.valid | frozen) & holds & (now == kept)))


def as_many(m, came, left, inside, *, each: int = 1):
    """Accepted minus output transfers are the stored ones (counted modulo 256)."""
    taken, given = Signal(8, name="taken"), Signal(8, name="given")
    m.d.sync += [taken.eq(taken + Mux(came, each, 0)), given.eq(given + left)]
    count = Signal(8, name="held_inside")
    m.d.comb += [count.eq(sum(inside)), Assert((taken - given)[:8] == count), Cover(given == 2)]
    return taken, given


def drain(cols: int) -> Design:
    """Sums leave column by column, each once, with its own channel."""
    unit = Drain(arch(cols=cols))
    m = unit.elaborate(None)
    left, waiting, channel = (unit.registers[n] for n in ("left", "waiting", "channel"))
    came, went = unit.sums.valid & unit.sums.ready, unit.accs.valid & unit.accs.ready
    offered_stays(m, unit.accs)
    as_many(m, came, went, [left], each=cols)
    taken = Signal.like(unit.sums.payload, name="taken_sums")
    with m.If(came):
        m.d.sync += taken.eq(unit.sums.payload)
    m.d.comb += Assert(left <= cols)
    for count in range(1, cols + 1):
        place = cols - count  # of the acc in front
        same = Cat(waiting[i] == taken.acc[place + i] for i in range(count)).all()
        right = channel == (taken.channel + place)[: len(channel)]
        m.d.comb += Assert((left != count) | (same & right))
    return Design(module=m, ports=inputs(unit), shown=[left, *waiting])


def lane_array(micro: str) -> Design:
    """One sum per `last` beat, held until taken; control reaches the columns with its beat."""
    unit = LaneArray(arch(micro, rows=1, cols=1))
    m = unit.elaborate(None)
    r, accept = unit.registers, Signal(name="accept")
    m.d.comb += accept.eq(unit.beats.valid & unit.beats.ready)
    offered_stays(m, unit.sums, frozen=unit.hold, holds=r["done"][-1])
    occupied, ending = r["control"].adds, r["control"].ends
    if "steps" in r:
        occupied, ending = (r["steps"].registers[n] for n in ("occupied", "last"))
        if unit.arch.lanes.final_cycles:  # bins leave only behind the last beat of a sum
            m.d.comb += Assert(~r["steps"].final | (occupied & ending))
    inside = [occupied & ending, *(r["valid"] & r["last"]), *r["done"]]
    went = unit.sums.valid & unit.sums.ready
    as_many(m, accept & unit.beats.payload.last, went, inside)
    if unit.arch.lanes.single_cycle:
        _control_travels(m, unit, accept)
    ports = inputs(unit)
    return Design(module=m, ports=ports, shown=[r["valid"], r["last"], r["done"]])


def _control_travels(m, unit, accept):
    """add, restart and channel are those of the beat accepted three movements ago."""
    r, beat = unit.registers, unit.beats.payload
    now = Cat(accept, beat.first, beat.last, beat.channel)
    line = [Signal(len(now), name=f"beat_{i}") for i in range(4)]
    with m.If(r["control"].advance):
        m.d.sync += [new.eq(old) for new, old in zip(line, [now, *line], strict=False)]
    c = r["control"]
    seen = [
        Cat(c.adds, c.starts, c.ends, r["channels"][0]),
        *(Cat(r["valid"][i], r["first"][i], r["last"][i], r["channels"][i + 1]) for i in range(2)),
    ]
    m.d.comb += [Assert(a == b) for a, b in zip(seen, line, strict=False)]
    m.d.comb += Assert(unit.sums.payload.channel == line[3][3:])
    m.d.comb += Assert(r["done"][0] == (line[3][0] & line[3][2]))


def code_reader() -> Design:
    unit = CodeReader(arch())
    m = unit.elaborate(None)
    offered_stays(m, unit.codes)
    went = unit.codes.valid & unit.codes.ready
    as_many(m, unit.enable, went, [unit.registers["valid"], unit.codes.valid])
    return Design(module=m, ports=inputs(unit), shown=[unit.registers["valid"]])


def beat_feeder() -> Design:
    """Assumed: no beat is accepted while `hold` (the array is held by the same signal)."""
    unit = BeatFeeder(arch(rows=1, cols=1))
    m = unit.elaborate(None)
    m.d.comb += Assume(~(unit.hold & unit.beats.ready))
    offered_stays(m, unit.beats)
    went = unit.beats.valid & unit.beats.ready
    as_many(m, unit.enable, went, [unit.registers["valid"], unit.beats.valid])
    return Design(module=m, ports=inputs(unit), shown=[unit.registers["valid"]])


def max_pool() -> Design:
    """One word per window, the lane-wise largest code of its words inside the map."""
    unit = MaxPool(arch())
    m = unit.elaborate(None)
    beat, width = unit.beats.payload, unit.arch.storage.code_width
    came = unit.beats.valid & beat.last
    steady, started = Signal(name="steady"), Signal(name="started")
    m.d.sync += [steady.eq(unit.codes_signed), started.eq(1)]
    m.d.comb += Assume(~started | (steady == unit.codes_signed))  # constant while a layer runs
    as_many(m, came, unit.words.valid, [unit.words.valid])

    def rank(code):  # codes in the order of their values, as unsigned numbers
        return code ^ Mux(unit.codes_signed, 1 << (width - 1), 0)

    best = [Signal(width, name=f"best_{i}") for i in range(unit.arch.rows)]
    begun = Signal(name="begun")
    with m.If(unit.beats.valid):
        m.d.sync += begun.eq(1)
        for most, code in zip(best, beat.word, strict=True):
            old = Mux(beat.first, 0, most)
            new = Mux(beat.outside, 0, rank(code))
            m.d.sync += most.eq(Mux(new > old, new, old))
    for most, made in zip(best, unit.words.payload, strict=True):
        m.d.comb += Assert(~begun | (rank(made) == most))
    m.d.comb += Assert(begun | ~unit.words.valid)
    m.d.comb += Assume(begun | ~unit.beats.valid | beat.first)  # a window begins with `first`
    return Design(module=m, ports=inputs(unit), shown=[*best])


def host_port() -> Design:
    """AXI4-Lite: one response per address with data and per read, each held until taken."""
    unit = HostPort(arch(rows=1, cols=1))
    m = unit.elaborate(None)
    full = unit.lite.registers
    offered_stays(m, unit.b)
    offered_stays(m, unit.r)
    for name in ("aw", "w"):
        port = getattr(unit, name)
        answered = unit.b.valid & unit.b.ready
        as_many(m, port.valid & port.ready, answered, [unit.b.valid, full[name]])
    answered = unit.r.valid & unit.r.ready
    as_many(m, unit.ar.valid & unit.ar.ready, answered, [unit.r.valid, full["ar"]])
    return Design(module=m, ports=inputs(unit), shown=[unit.b.valid, unit.r.valid])


def image_gate() -> Design:
    """What passes after an end or a reset begins with the first code of an image.

    Assumed: a run ends when the gate says so (the top level ensures it).
    """
    unit = ImageGate(arch())
    m = unit.elaborate(None)
    image, codes = unit.image, unit.codes
    m.d.comb += Assume(unit.stop | ~(unit.short | unit.long))
    came, went = image.valid & image.ready, codes.valid & codes.ready
    between = Signal(init=1, name="between")  # the code that comes next begins an image
    fresh = Signal(init=1, name="fresh")  # no code passed since the last end
    with m.If(came):
        m.d.sync += between.eq(image.payload.last)
    with m.If(unit.realign):
        m.d.sync += between.eq(1)
    with m.If(unit.stop):
        m.d.sync += fresh.eq(1)
    with m.Elif(went):  # a whole image passed: its run is complete
        m.d.sync += fresh.eq(image.payload.last & unit.due)
    m.d.comb += [
        Assert(~(went & fresh) | between | unit.realign),
        Assert(~went | came),
        Assert(unit.registers["begun"] == ~between),
        Assert(~unit.dropping | ~between),
        Assert(~(fresh & ~between) | unit.dropping | unit.short | unit.long | unit.stop),
        Cover(unit.dropping & came & image.payload.last),
        Cover(unit.short),
        Cover(unit.long),
    ]
    return Design(module=m, ports=inputs(unit), shown=[between, fresh])


def result_gate() -> Design:
    """Results come out as they went in; every frame that is begun ends with one `last`."""
    unit = ResultGate(arch())
    m = unit.elaborate(None)
    results, frames = unit.results, unit.frames
    came, went = results.valid & results.ready, frames.valid & frames.ready
    begun, closing = unit.registers["begun"], unit.registers["closing"]
    cut = frames.payload.cut
    offered_stays(m, frames)
    as_many(m, came, went & ~cut, [frames.valid & ~cut])
    open_in, open_out = Signal(name="open_in"), Signal(name="open_out")
    with m.If(came):
        m.d.sync += open_in.eq(~results.payload.last)
    with m.Elif(unit.stop):
        m.d.sync += open_in.eq(0)
    with m.If(went):
        m.d.sync += open_out.eq(~frames.payload.last)
    waiting = frames.valid & ~frames.payload.last
    m.d.comb += [
        Assert(begun == open_in),
        Assert(~frames.valid | ~cut | frames.payload.last),
        # open outside: its frame goes on, or what closes it is here or on its way
        Assert((waiting | (open_out & ~frames.valid)) == (begun | closing)),
        Assert(~(begun & closing)),
        Cover(went & cut),
    ]
    return Design(module=m, ports=inputs(unit), shown=[frames.valid, open_in, open_out])


def engine() -> Design:
    """Assumed: the configuration stays while an output is offered (ensured by the sequencer)."""
    unit = Engine(arch(rows=1, cols=1))
    m = unit.elaborate(None)
    m.d.comb += Assume(~(unit.config.valid & unit.output.valid))
    offered_stays(m, unit.output)
    m.d.comb += Cover(unit.output.valid & unit.output.ready)
    return Design(module=m, ports=inputs(unit), shown=[unit.output.valid])
