"""Machine around an array that holds weights: its sequencer, its activation memory."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal, Value

from adqhw.rtl.accelerator.activation_memory import BANKS
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.layouts.counters import events_of
from adqhw.rtl.machine.memories import HeldActivationMemory
from adqhw.rtl.machine.sequencer import HeldSequencer

from .arrays import always_same, kept
from .prover import Design
from .streams import SMALL, inputs

STORAGE = Storage(
    code_width=2, activation_words=4, weight_rows=2, threshold_rows=2, requant_rows=2,
    codebook_rows=4, passes=4,
)  # fmt: skip
EXTERNAL = External(bus_width=32, burst_beats=4, outstanding=2, jobs=4)


def arch(*, rows: int = 2, external: bool = True) -> Arch:
    return Arch(
        rows=rows, cols=2, hold=2, fill=2, channels=2, act_width=2, weight_width=2, level_width=3,
        acc_width=8, threshold_width=1, out_width=5, requant=SMALL, storage=STORAGE,
        external=EXTERNAL if external else None,
    )  # fmt: skip


# -- sequencer ---------------------------------------------------------------------------------


def sequencer() -> Design:
    """Passes in the order of their rows, each with its levels, one when the one before has ended.

    `moving` stands for the jobs of a pass, as the machine has them. Assumed: it rises behind
    `setup` only; rows are loaded while nothing runs.
    """
    unit = HeldSequencer(arch())
    m = unit.elaborate(None)
    r, fsm = unit.registers, unit.registers["fsm"]
    latch, load, begin, running = (
        fsm.state == fsm.encoding[name] for name in ("LATCH", "LOAD", "BEGIN", "RUN")
    )
    idle = ~unit.busy
    passed, moving = Signal(name="passed"), Signal(name="moving")
    moved, was_setup = Signal(name="moved"), Signal(name="was_setup")
    m.d.sync += [moved.eq(moving), was_setup.eq(unit.setup)]
    loads = unit.pass_load.valid | unit.codebook_load.valid
    m.d.comb += [
        unit.finished.eq(passed & ~moving),
        Assume(~moving | moved | was_setup),
        Assume(~loads | (idle & ~unit.start)),
    ]
    turn, open_ = Signal.like(r["number"], name="turn"), Signal(name="open")
    ends = open_ & unit.finished
    with m.If(idle & unit.start):
        m.d.sync += turn.eq(0)
    with m.If(unit.setup):
        m.d.sync += open_.eq(1)
    with m.If(ends):
        m.d.sync += [open_.eq(0), turn.eq(turn + 1)]
    of_pass = load | begin | running
    _descriptors(m, unit, turn, of_pass, latch, idle)
    _levels(m, unit, latch, load, begin)
    _ends(m, unit, ends, turn)
    _counted(m, unit)
    m.d.comb += [
        Assert(idle | latch | of_pass),
        Assert(running == open_),
        Assert(~unit.setup | (begin & ~open_ & ~moving)),
        Assert(open_ | was_setup | ~moved | moving),
        Assert(open_ | ~moving),
        Assert(~latch | (r["number"] == turn)),
        Assert(~of_pass | ((r["current"] == turn) & (r["number"] == (turn + 1)[: len(turn)]))),
        Assert(~idle | (r["number"] == 0)),
        Cover(unit.record & (turn == 2)),
    ]
    ports = [*(p for p in inputs(unit) if p is not unit.finished), passed, moving]
    return Design(module=m, ports=ports, shown=[turn, r["number"], r["current"]])


def _descriptors(
    m: Module, unit: Any, turn: Signal, of_pass: Value, latch: Value, idle: Value
) -> None:
    """The descriptor is row `turn`; what the memory gives is the row asked for a cycle ago."""
    number, row = unit.registers["number"], unit.descriptor.as_value()
    store = m.submodules.passes
    mine, asked = (store.read_port(domain="comb") for _ in range(2))
    # The memory knows no reset, nor has it read anything before the first cycle.
    before = kept(len(number), "number_before")
    loaded, read = kept(1, "row_loaded"), kept(1, "row_read")
    m.d.sync += [before.eq(number), loaded.eq(unit.pass_load.valid), read.eq(1)]
    m.d.comb += [
        mine.addr.eq(turn),
        asked.addr.eq(before),
        Assert(~of_pass | (row == mine.data.as_value())),
        Assert(~read | loaded | (unit.registers["fetched"].as_value() == asked.data.as_value())),
        Assert(idle | read),
        Assert(~latch | (before == number)),
        Assert(~loaded | idle),
    ]


def _levels(m: Module, unit: Any, latch: Value, load: Value, begin: Value) -> None:
    """Every level of the pass's codebook once, in order, before the pass begins; no other."""
    given = Signal.like(unit.registers["index"], name="given")
    book = m.submodules.codebooks.read_port(domain="comb")
    count, base = unit.descriptor.codebook_count, unit.descriptor.codebook_base
    loaded = kept(1, "level_loaded")
    age = Signal(len(given) + 1, name="age")
    code = unit.codebook.payload.code
    with m.If(latch):
        m.d.sync += [given.eq(0), age.eq(0)]
    with m.Else():
        m.d.sync += age.eq(age + 1)
    with m.If(unit.codebook.valid):
        m.d.sync += given.eq(given + 1)
    m.d.sync += loaded.eq(unit.codebook_load.valid)
    index, valid = unit.registers["index"], unit.codebook.valid
    read = m.submodules.codebooks.read_port(domain="comb")  # what the memory gives now
    m.d.comb += [
        book.addr.eq((base + given)[: len(book.addr)]),
        read.addr.eq((base + index - 1)[: len(book.addr)]),
        Assert(~valid | ((load | begin) & (code == given[: len(code)]))),
        Assert(~valid | (unit.codebook.payload.level == book.data.level)),
        Assert(~valid | (given < count)),
        Assert(~begin | (given + valid == count)),
        Assert(~unit.setup | (age == count + 1)),  # a cycle per level and one more
        Assert(~load | (age == index)),
        Assert(~load | (index == Mux(valid, given + 2, index[:1])[: len(index)])),
        Assert(~load | ~valid | (index > 1)),
        Assert(~load | valid | (given == 0)),
        Assert(~load | (index == 0) | (unit.registers["level"].level == read.data.level)),
        Assert(~load | (index <= count)),
        Assert(~(load | begin) | ~loaded),
        Assert(~begin | (valid == (count != 0))),
    ]


def _ends(m: Module, unit: Any, ends: Value, turn: Signal) -> None:
    """A pass is recorded in the cycle after its end; the final one ends the run."""
    recorded, final = Signal(name="was_end"), Signal(name="was_final")
    finished_run = Signal(name="run_over")
    m.d.sync += [recorded.eq(ends), final.eq(ends & unit.descriptor.final)]
    with m.If(ends & unit.descriptor.final):
        m.d.sync += finished_run.eq(1)
    with m.Elif(~unit.busy & unit.start):
        m.d.sync += finished_run.eq(0)
    m.d.comb += [
        Assert(unit.record == recorded),
        Assert(~unit.record | (unit.ended == (turn - 1)[: len(turn)])),
        Assert(~recorded | (unit.busy == ~final)),
        Assert(unit.done == finished_run),
        Assert(~(unit.busy & unit.done)),
        Cover(unit.done & recorded & (turn == 2)),
    ]


def _counted(m: Module, unit: Any) -> None:
    """Cycles and events of the run, each by itself, modulo 2^8."""
    started = ~unit.busy & unit.start
    events = [unit.busy, *(unit.busy & event for event in unit.events)]
    for name, event in zip(("cycles", *events_of(unit.arch)), events, strict=True):
        total = Signal(8, name=f"total_{name}")
        m.d.sync += total.eq(Mux(started, 0, total + event))
        m.d.comb += Assert(getattr(unit.counters, name)[:8] == total)


# -- activation memory -------------------------------------------------------------------------


def memory(external: bool) -> Design:
    """What is written at a place (any, a free constant) is what is read there.

    Assumed: reads of one cycle are of different banks, and so are writes; a port that reads while
    another one reads its bank loses its word.
    """
    unit = HeldActivationMemory(arch(external=external))
    m = unit.elaborate(None)
    bank, address = Signal(name="bank"), Signal.like(unit.feed_address, name="address")
    for value in (bank, address):
        always_same(m, value)
    content = kept(len(unit.words[0].as_value()), "content")
    _written(m, unit, bank, address, content)
    reads = [
        tuple(getattr(unit, f"{port}_{part}") for part in ("enable", "bank", "address"))
        for port in (("feed", "read", "job_read") if external else ("feed", "read"))
    ]
    words = [unit.words[0].as_value(), unit.words[1].as_value()]
    seen = Signal.like(content, name="seen")
    m.d.comb += seen.eq(Mux(bank, words[1], words[0]))
    for i, (enable, of_bank, _) in enumerate(reads):
        for other, bank_of_other, _ in reads[:i]:
            m.d.comb += Assume(~(enable & other) | (of_bank != bank_of_other))
    _read(m, reads, bank, address, content, None, seen, "bank")
    if external:
        word = unit.job_read_word.as_value()
        there = _read(m, reads, bank, address, content, 2, word, "job_read")
        m.d.comb += Assert(~there | (unit.registers["job_read"] == bank))
    ports = [*inputs(unit), bank, address]
    return Design(module=m, ports=ports, shown=[bank, address, content, seen])


def _written(m: Module, unit: Any, bank: Signal, address: Signal, content: Signal) -> None:
    """The codes at the place, lane by lane, a cycle after the ports have them."""
    width, place = unit.arch.storage.code_width, Signal(BANKS, name="place_mask")
    writing = Signal(unit.arch.rows, name="writing")  # lanes, in the cycle after
    codes = kept(len(content), "codes")
    m.d.comb += place.eq(Mux(bank, 0b10, 0b01))
    masks, hits = [], []
    for name in unit.writes:
        port = getattr(unit, name)
        lanes = port.lanes if name == "job" else port.lanes | port.filled
        if name == "second":  # without a code nothing is filled
            lanes = Mux(port.lanes.any(), lanes, 0)
        mask = port.banks if name == "job" else Mux(lanes.any(), port.banks, 0)
        masks.append(mask)
        hit = (port.banks & place).any() & (port.address == address)
        hits.append(Mux(hit, lanes, 0))
        for lane in range(unit.arch.rows):
            with m.If(hit & lanes[lane]):
                m.d.sync += codes.word_select(lane, width).eq(port.word[lane])
    m.d.sync += writing.eq(reduce(or_, hits))
    for lane in range(unit.arch.rows):
        with m.If(writing[lane]):
            m.d.sync += content.word_select(lane, width).eq(codes.word_select(lane, width))
    m.d.comb += [Assume((a & b) == 0) for i, a in enumerate(masks) for b in masks[:i]]
    peeks = []
    for number in range(BANKS):
        peek = getattr(m.submodules, f"bank_{number}").read_port(domain="comb")
        m.d.comb += peek.addr.eq(address)
        peeks.append(peek.data.as_value())
        (given,) = getattr(m.submodules, f"bank_{number}").write_ports
        for lane in range(unit.arch.rows):
            here = (bank == number) & given.en[lane] & (given.addr == address)
            code = given.data[lane] == codes.word_select(lane, width)
            m.d.comb += Assert((bank != number) | (here == writing[lane]))
            m.d.comb += Assert(~here | code)
    m.d.comb += Assert(Mux(bank, peeks[1], peeks[0]) == content)


def _read(
    m: Module, reads: list[tuple[Value, ...]], bank: Signal, address: Signal, content: Signal,
    number: int | None, word: Value, name: str,
) -> Signal:  # fmt: skip
    """The word of the place after a read of it by port `number` (any port), until its bank, or the
    port, reads another one; whether it is there."""
    there = Signal(name=f"{name}_there")
    due = kept(len(content), f"{name}_due")
    hits = [enable & (of_bank == bank) for enable, of_bank, _ in reads]
    mine = Cat(hits).any() if number is None else hits[number]
    left = Const(0) if number is None else reads[number][0]
    at = [hit & (at == address) for hit, (*_, at) in zip(hits, reads, strict=True)]
    read = Cat(at).any() if number is None else at[number]
    with m.If(Cat(hits).any() | left):
        m.d.sync += there.eq(mine & read)
    with m.If(read):
        m.d.sync += due.eq(content)
    m.d.comb += [Assert(~there | (word == due)), Cover(there & (due != 0))]
    return there
