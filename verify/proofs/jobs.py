"""Job engine: jobs in order, their rows in order, active until the last of them."""

from functools import reduce
from operator import add
from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value

from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.dma.job_engine import JobEngine
from adqhw.rtl.dma.slots import transfer_slots
from adqhw.rtl.layouts.jobs import Slot

from .arrays import kept
from .machine import EXTERNAL
from .prover import Design
from .streams import SMALL, inputs, offered_stays


def arch(code_width: int) -> Arch:
    """Words of 8 * code_width bits: slots of a beat, or several beats."""
    storage = Storage(
        code_width=code_width, activation_words=4, weight_rows=2, threshold_rows=2, requant_rows=2,
        codebook_rows=2, passes=2,
    )  # fmt: skip
    return Arch(
        rows=8, cols=2, hold=2, fill=2, channels=2, act_width=2, weight_width=2, level_width=3,
        acc_width=8, threshold_width=1, out_width=5, requant=SMALL, storage=storage,
        external=EXTERNAL,
    )  # fmt: skip


def jobs(code_width: int) -> Design:
    """Jobs of words and of weight planes, loads and stores.

    Assumed of the rows: the beats of a job are those of its rows, of which there is one or more. Of
    the memory: as many read beats as were asked for; a store has ended when it has taken all. Of
    the user: jobs are loaded, and begin, while none is active.
    """
    unit = JobEngine(arch(code_width))
    for part in (unit.unpacker, unit.packer):
        _elaborated(part)
    m = unit.elaborate(None)
    slots = transfer_slots(unit.arch)
    words, planes = slots[Target.ACTIVATIONS], slots[Target.WEIGHTS]
    job, fsm = unit.registers["job"], unit.registers["fsm"]
    states = {name: fsm.state == fsm.encoding[name] for name in fsm.encoding}
    running = states["RUN"]
    accept = unit.memory.request.valid & unit.memory.request.ready
    over = running & Mux(job.store, unit.memory.ended, unit.unpacker.finished)
    _order(m, unit, states, over)
    offered_stays(m, unit.memory.request)
    weights = job.target == Target.WEIGHTS
    known = states["REQUEST"] | running
    total = Mux(weights, _beats(job, planes), _beats(job, words))
    m.d.comb += Assume(~known | (job.beats == total) & (job.rows != 0))
    m.d.comb += Assume(~known | (job.rows < (1 << 20)))  # no count overflows
    m.d.comb += Assume(~known | (job.target >> 1 == Target.ACTIVATIONS >> 1) | weights)
    m.d.comb += Assume(~known | ~(job.store & weights))
    for place, chosen in ((words, ~weights), (planes, weights)):
        m.d.comb += Assume(~known | ~chosen | (job.slot < place.per_beat))
    for place, chosen in ((words, ~weights), (planes, weights)):
        _loaded(m, unit, place, running & ~job.store & chosen, accept)
    m.d.comb += Assume((running & ~job.store) | ~unit.memory.reads.valid)
    m.d.comb += Assert((running & ~job.store) | ~unit.unpacker.registers["have"])
    _stored(m, unit, words, running & job.store, accept)
    return Design(
        module=m,
        ports=inputs(unit),
        shown=[unit.registers["number"], unit.unpacker.registers["have"]],
    )


def _elaborated(part: Any) -> None:
    """Once, so that its registers are those of the design."""
    module = part.elaborate(None)
    part.__dict__["elaborate"] = lambda platform: module


def _beats(job: Any, place: Slot) -> Value:
    """Beats of the job's rows."""
    if place.beats > 1:
        return _times(job.rows, place.beats)
    return ((job.slot + job.rows - 1) >> (place.per_beat - 1).bit_length()) + 1


def _order(m: Module, unit: Any, states: dict[str, Value], over: Value) -> None:
    """Active from the cycle after `begin` until the last job is over; every job once, in order."""
    r, job = unit.registers, unit.registers["job"]
    active, turn, rest = Signal(name="going"), Signal(16, name="turn"), Signal(16, name="rest")
    begins = unit.begin & ~active & (unit.count != 0)
    with m.If(begins):
        m.d.sync += [active.eq(1), turn.eq(unit.first), rest.eq(unit.count)]
    with m.If(over):
        m.d.sync += [turn.eq(turn + 1), rest.eq(rest - 1), active.eq(rest != 1)]
    before, loaded, read = kept(16, "number_before"), kept(1, "row_loaded"), kept(1, "row_read")
    m.d.sync += [before.eq(r["number"]), loaded.eq(unit.jobs.valid), read.eq(1)]
    store = m.submodules.store
    mine, asked = (store.read_port(domain="comb") for _ in range(2))
    known = states["REQUEST"] | states["RUN"]
    ahead = states["FETCH"] | states["LATCH"]
    m.d.comb += [
        Assume(~unit.jobs.valid | ~(active | unit.begin)),
        mine.addr.eq(turn[: len(mine.addr)]),
        asked.addr.eq(before[: len(asked.addr)]),
        Assert(unit.active == active),
        Assert(~active | (rest != 0)),
        Assert(states["IDLE"] == ~active),
        Assert(~known | (job.as_value() == mine.data.as_value())),
        Assert(~known | ((r["number"] == (turn + 1)[:16]) & (r["left"] == (rest - 1)[:16]))),
        Assert(~ahead | ((r["number"] == turn) & (r["left"] == rest))),
        Assert(~read | loaded | (r["fetched"].as_value() == asked.data.as_value())),
        Assert(~active | (read & ~loaded) | states["FETCH"]),
        Assert(~states["FETCH"] | read),
        Assert(~states["LATCH"] | (before == r["number"])),
        Assert(unit.memory.request.valid == states["REQUEST"]),
        Cover(over & (rest == 1) & ~job.store & (turn != unit.first)),
    ]


def _loaded(m: Module, unit: Any, place: Slot, here: Value, accept: Value) -> None:
    """Row n of the job is slot n of its beats, and goes to row `job.row + n` of its target."""
    u, r, job = unit.unpacker, unit.unpacker.registers, unit.registers["job"]
    beats, load = unit.memory.reads, unit.load
    width, bus = job.rows.shape().width, EXTERNAL.bus_width
    done, taken = Signal(width, name="rows_loaded"), Signal(width, name="beats_taken")
    newest = [Signal(bus, name=f"beat_{i}") for i in range(place.beats)]
    came = beats.valid & beats.ready
    with m.If(accept):
        m.d.sync += [done.eq(0), taken.eq(0)]
    with m.Else():
        m.d.sync += [done.eq(done + load.valid), taken.eq(taken + came)]
    with m.If(came):
        m.d.sync += [new.eq(old) for new, old in zip(newest, [*newest[1:], beats.payload],
                                                     strict=True)]  # fmt: skip
    at = done + job.slot
    shift = (place.per_beat - 1).bit_length()
    if place.beats > 1:
        whole = _times(done, place.beats)
        progress = Mux(r["have"], taken == whole + place.beats,
                       (taken == whole + r["count"]) & (r["count"] < place.beats))  # fmt: skip
        counted = ~r["have"] | (r["count"] == 0)
        bits = Cat(newest)[: place.width]
    else:
        progress = Mux(r["have"], (at >> shift) + 1 == taken,
                       Mux(taken == 0, done == 0, (at == taken << shift)))  # fmt: skip
        counted = r["count"] == 0
        bits = (newest[0] >> (at[:shift] << (place.bits.bit_length() - 1)))[: place.width]
    weights = job.target == Target.WEIGHTS
    banks = (unit.arch.plane_banks - 1).bit_length()
    row = (job.row + done)[:width]
    m.d.comb += [
        Assume(~(here & beats.valid) | (taken < job.beats)),
        Assert(~here | (u.target_now == job.target)),
        Assert(~here | ((r["left"] == job.rows - done) & (done < job.rows))),
        Assert(~here | (r["number"] == row)),
        Assert(~here | (r["slot"] == (at & (place.per_beat - 1)))),
        Assert(~here | (progress & counted)),
        Assert(r["shifted"][-bus * place.beats :] == Cat(newest)),
        Assert(~(here & load.valid) | (load.payload.data[: place.width] == bits)),
        Assert(~(here & load.valid) | Mux(
            weights,
            (load.payload.target == Target.WEIGHTS + row[:banks])
            & (load.payload.row == row >> banks),
            (load.payload.target == job.target) & (load.payload.row == row),
        )),
        Assert(~(here & u.finished) | ((done + 1 == job.rows) & (taken == job.beats))),
        Cover(here & u.finished & (done == 1)),
    ]  # fmt: skip


def _times(value: Value, factor: int) -> Value:
    """A multiple, without a multiplier."""
    return reduce(add, [value << i for i in range(5) if factor >> i & 1])


def _stored(m: Module, unit: Any, place: Slot, here: Value, accept: Value) -> None:
    """Word n of the job is slot n of its beats, and no byte beside the words is written."""
    r, job, writes = unit.packer.registers, unit.registers["job"], unit.memory.writes
    width, bus = job.rows.shape().width, EXTERNAL.bus_width
    asked, done, given = (Signal(width, name=n) for n in ("words_read", "words_used", "given"))
    went = writes.valid & writes.ready
    with m.If(accept):
        m.d.sync += [value.eq(0) for value in (asked, done, given)]
    with m.Else():
        m.d.sync += [
            asked.eq(asked + unit.read_enable), done.eq(done + r["used"]), given.eq(given + went),
        ]  # fmt: skip
    word, moved, full = unit.read_word.as_value(), r["moved"], r["full"]
    shift, payload = (place.per_beat - 1).bit_length(), writes.payload
    if place.beats > 1:
        part = Signal(range(place.beats), name="part_moved")
        current = Signal(bus, name="current")
        with m.If(accept):
            m.d.sync += part.eq(0)
        with m.Elif(moved):
            m.d.sync += part.eq(Mux(part == place.beats - 1, 0, part + 1))
        with m.If(moved):
            m.d.sync += current.eq((word >> (part * bus))[:bus])
        m.d.comb += [
            Assert(~here | ((r["part"] == part) & ((part == 0) | r["fetched"]))),
            Assert(~here | (given + full == _times(done, place.beats) + part)),
            Assert(~full | ((payload.data == current) & payload.strobes.all())),
        ]
    else:
        begin = Mux(given == 0, job.slot, 0)
        end = (job.slot + done) - (given << shift)
        for slot in range(place.per_beat):
            mine = kept(place.bits, f"slot_{slot}")
            with m.If(moved & ((job.slot + done)[:shift] == slot)):
                m.d.sync += mine.eq(word)
            there = (begin <= slot) & (end > slot)
            strobes = payload.strobes.word_select(slot, place.bytes)
            data = payload.data.word_select(slot, place.bits)
            m.d.comb += [
                Assert(~here | (strobes == there.replicate(place.bytes))),
                Assert(~(here & there) | (data == mine)),
            ]
        ending = (end == place.per_beat) | (done == job.rows)
        m.d.comb += [
            Assert(~here | (done == job.rows) | (r["slot"] == (job.slot + done)[:shift])),
            Assert(~here | (end <= place.per_beat)),
            Assert(~here | (full == (ending & (end > begin)))),
            Assert(~here | (end >= begin) | ((done == job.rows) & ~full)),
        ]
    m.d.comb += [
        Assume(~(here & unit.memory.ended) | (given == job.beats)),
        Assert(~here | ((r["unread"] == job.rows - asked) & (asked <= job.rows))),
        Assert(~here | ((r["left"] == job.rows - done) & (asked == done + r["fetched"]))),
        Assert(~here | (r["number"] == (job.row + asked)[:width])),
        Assert(~unit.read_enable | (here & (unit.read_address == (job.row + asked)[:2]))),
        Assert(~unit.read_enable | (unit.read_bank == job.target[0])),
        Assert(~(here & unit.memory.ended) | (done == job.rows)),
        Assert(here | ~(full | r["fetched"] | (r["unread"] != 0))),
        Cover(here & unit.memory.ended & (done == 2)),
    ]
    offered_stays(m, writes)
