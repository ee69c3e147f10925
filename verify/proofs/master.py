"""AXI master: bursts that add up to the request, by the rules of AXI4, whatever stops it."""

from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, ResetSignal, Signal, Value

from adqhw.rtl.arch.external import PAGE_BYTES
from adqhw.rtl.dma.axi_master import AxiMaster

from .machine import EXTERNAL, arch
from .prover import Design
from .streams import inputs

BEATS, BYTES = EXTERNAL.burst_beats, EXTERNAL.bus_bytes
LOW = (BEATS - 1).bit_length()
SHIFT = (BYTES - 1).bit_length()
assert EXTERNAL.outstanding == 2  # the entries of `_Slave`


def master() -> Design:
    """Every beat of a request is asked for once, at its address, and moves once.

    Assumed of the slave: read beats and write responses belong to bursts that it has taken, in
    order, with `last` at their ends. Assumed of the user: the base stays while not idle.
    """
    unit = AxiMaster(arch())
    m = unit.elaborate(None)
    offers = {
        "aw": ("addr", "len", "size", "burst"),
        "ar": ("addr", "len", "size", "burst"),
        "w": ("data", "strb", "last"),
    }
    for channel, names in offers.items():
        payload = Cat(getattr(unit, f"m_axi_{channel}{name}") for name in names)
        _stays(m, unit, channel, payload)
    slave = _Slave(m, unit)
    _addresses(m, unit, slave)
    _amounts(m, unit, slave)
    _written(m, unit, slave)
    _responses(m, unit)
    return Design(
        module=m, ports=inputs(unit), shown=[unit.at, unit.left, unit.registers["length"]]
    )


def _stays(m: Module, unit: Any, channel: str, payload: Value) -> None:
    """valid and payload hold until ready; only a reset takes them back."""
    valid, ready = (getattr(unit, f"m_axi_{channel}{name}") for name in ("valid", "ready"))
    waited, kept = Signal(name=f"{channel}_waited"), Signal(len(payload), name=f"{channel}_kept")
    m.d.sync += [waited.eq(valid & ~ready), kept.eq(payload)]
    m.d.comb += Assert(~waited | ResetSignal() | (valid & (payload == kept)))


class _Slave:
    """Bursts that were taken and have beats to come, the oldest first; the responses owed."""

    def __init__(self, m: Module, unit: Any) -> None:
        self.count, self.done = Signal(2, name="bursts"), Signal(LOW + 1, name="beats_done")
        self.beats = [Signal(LOW + 1, name=f"burst_beats_{i}") for i in range(2)]
        self.starts = [Signal(LOW, name=f"burst_start_{i}") for i in range(2)]
        self.owed = Signal(2, name="responses_owed")
        r = unit.registers
        read, write = unit.m_axi_rvalid & unit.m_axi_rready, unit.m_axi_wvalid & unit.m_axi_wready
        final = self.done + 1 == self.beats[0]
        self.moved = read | write
        pops, asked = Signal(name="burst_over"), Signal(name="burst_taken")
        self.asked = asked
        m.d.comb += [
            Assume(~unit.m_axi_rvalid | ((self.count != 0) & ~unit.store)),
            Assume(~unit.m_axi_rvalid | (unit.m_axi_rlast == final)),
            Assume(~unit.m_axi_bvalid | (self.owed != 0)),
            pops.eq((read & unit.m_axi_rlast) | (write & unit.m_axi_wlast)),
            asked.eq(
                (unit.m_axi_arvalid & unit.m_axi_arready)
                | (unit.m_axi_awvalid & unit.m_axi_awready)
            ),
        ]
        m.d.sync += self.count.eq(self.count + asked - pops)
        m.d.sync += self.done.eq(Mux(pops, 0, self.done + self.moved))
        answered = unit.m_axi_bvalid & unit.m_axi_bready
        m.d.sync += self.owed.eq(self.owed + (write & unit.m_axi_wlast) - answered)
        new = r["length"] + 1, r["address"][SHIFT : SHIFT + LOW]
        for entry, value in zip((self.beats, self.starts), new, strict=True):
            with m.If(pops):
                m.d.sync += entry[0].eq(entry[1])
            with m.If(asked):
                left = (self.count - pops)[:2]
                m.d.sync += [entry[i].eq(Mux(left == i, value, Mux(pops, entry[1], entry[i])))
                             for i in range(2)]  # fmt: skip
        m.d.comb += [
            Assert(self.count + unit.offered + self.owed == unit.inflight),
            Assert(unit.inflight <= 2),
            Assert((self.count == 0) | (self.done < self.beats[0])),
            Assert((self.count != 0) | (self.done == 0)),
            Assert(unit.store | (self.owed == 0)),
            *(Assert((self.count <= i) | (self.beats[i] != 0)) for i in range(2)),
            *(Assert((self.count <= i) | (self.starts[i] + self.beats[i] <= BEATS))
              for i in range(2)),
        ]  # fmt: skip

    @property
    def due(self) -> Value:
        """Beats to come of the bursts that were taken."""
        beats = [Mux(self.count > i, self.beats[i], 0) for i in range(2)]
        return beats[0] + beats[1] - self.done


def _addresses(m: Module, unit: Any, slave: _Slave) -> None:
    """Bursts one after the other from the request's address on; none leaves its page."""
    r, request = unit.registers, unit.memory.request
    accepted = request.valid & request.ready
    base, running = Signal.like(unit.base, name="base_before"), Signal(name="was_running")
    m.d.sync += [base.eq(unit.base), running.eq(~unit.idle)]
    m.d.comb += Assume(~running | (unit.base == base))
    following = Signal.like(unit.at, name="following")  # beat of the next address to be taken
    length = r["length"] + 1
    with m.If(accepted):
        m.d.sync += following.eq(request.payload.at)
    with m.Elif(slave.asked):
        m.d.sync += following.eq(following + length)
    low = r["address"][SHIFT : SHIFT + LOW]
    page = PAGE_BYTES.bit_length() - 1
    wanted = Cat(unit.base[:page] & 0, unit.base[page:]) + (following << SHIFT)
    m.d.comb += [
        Assert(~unit.offered | (r["length"] < BEATS)),
        Assert(~unit.offered | (low + length <= BEATS)),
        Assert(~unit.offered | (r["address"][:page] + (length << SHIFT) <= PAGE_BYTES)),
        Assert(~unit.offered | (r["address"] == wanted[:32])),
        Assert((unit.left == 0) | (unit.at == (following + Mux(unit.offered, length, 0))[:30])),
        Assert(~accepted | (unit.inflight == 0)),
    ]


def _amounts(m: Module, unit: Any, slave: _Slave) -> None:
    """Beats of the request that have not moved are those that are still to be asked for, offered
    or under way; when it has ended, all have moved."""
    r, request = unit.registers, unit.memory.request
    rest = Signal.like(unit.left, name="rest")
    with m.If(unit.stop):
        m.d.sync += rest.eq(0)
    with m.Elif(request.valid & request.ready):
        m.d.sync += rest.eq(request.payload.beats)
    with m.Elif(slave.moved & ~unit.draining):
        m.d.sync += rest.eq(rest - 1)
    due = unit.left + Mux(unit.offered, r["length"] + 1, 0) + slave.due
    reads, writes = unit.memory.reads, unit.memory.writes
    m.d.comb += [
        Assert(Mux(unit.draining, (rest == 0) & (unit.left == 0), rest == due)),
        Assert(~unit.memory.ended | (rest == 0)),
        Assert(unit.idle == unit.memory.ended),
        Assert(~(reads.valid & unit.draining)),
        Assert(~(writes.ready & unit.draining)),
        Assert(~reads.valid | (reads.payload == unit.m_axi_rdata)),
        Assert(~unit.draining | ~request.ready),
        Cover(unit.memory.ended & ~unit.store & (unit.at != 0)),
    ]


def _written(m: Module, unit: Any, slave: _Slave) -> None:
    """Write beats of the bursts whose addresses were taken, `last` at their ends; those that a stop
    has cut off write no byte.

    The unit counts what is due of the whole request: every burst ends with a block of beats or
    with what is due.
    """
    r = unit.registers
    ends = r["valid"] & r["last"]  # the oldest burst's last beat is in the register
    position = Mux(ends, 0, slave.done + r["valid"])
    first = Mux(ends, slave.beats[1], slave.beats[0]) - position
    begin = Mux(ends, slave.starts[1], slave.starts[0])
    second = first + slave.beats[1]
    length = r["length"] + 1
    offered = Mux(unit.credits == 2, second, Mux(unit.credits == 1, first, 0)) + length
    low = r["address"][SHIFT : SHIFT + LOW]
    low_next = (r["low"] + Mux(unit.credits == 0, 0, first))[:LOW]  # behind the burst that moves
    low_then = Mux(unit.credits == 2, 0, low_next)
    total = Mux(unit.offered, offered, offered - length)
    due = r["due"]
    block = [
        (unit.credits != 0, begin + position + first, first),
        (unit.credits == 2, slave.starts[1] + slave.beats[1], second),
        (unit.offered, low + length, offered),
    ]
    m.d.comb += [
        Assert(unit.store | (~r["valid"] & (unit.credits == 0))),
        *(
            Assert(~unit.store | ~there | (end == BEATS) | (amount == due))
            for there, end, amount in block
        ),
    ]
    writing = unit.store
    m.d.comb += [
        Assert(~writing | (unit.credits + ends == slave.count)),
        Assert(~r["valid"] | (slave.count != 0)),
        Assert(~r["valid"] | (r["last"] == (slave.done + 1 == slave.beats[0]))),
        Assert(~writing | (unit.credits == 0) | (r["low"] == (begin + position)[:LOW])),
        Assert(~writing | (unit.credits != 2) | (slave.starts[1] == low_next)),
        Assert(~writing | ~unit.offered | (low == low_then)),
        Assert(
            ~writing | (unit.left == 0)
            | (unit.at[:LOW] == Mux(unit.offered, (low + length)[:LOW], low_then))
        ),
        Assert(~writing | (total <= due)),
        Assert(~writing | unit.draining | unit.idle | (total + unit.left == due)),
    ]  # fmt: skip
    writes, kept = unit.memory.writes, Signal.like(r["beat"].as_value(), name="beat_taken")
    dropped = Signal(name="dropped")
    moves = ~r["valid"] | unit.m_axi_wready
    with m.If(writes.valid & writes.ready):
        m.d.sync += [kept.eq(writes.payload), dropped.eq(0)]
    with m.Elif(unit.draining & moves):
        m.d.sync += dropped.eq(1)
    m.d.comb += [
        Assert(~r["valid"] | dropped | (r["beat"].as_value() == kept)),
        Assert(~r["valid"] | ~dropped | (r["beat"].strobes == 0)),
        Cover(unit.m_axi_wvalid & unit.m_axi_wlast & (slave.done == 1)),
        Cover(unit.draining & unit.idle & dropped),
    ]


def _responses(m: Module, unit: Any) -> None:
    """A response that is not OKAY is told once, but not of bursts that were cut off."""
    read = unit.m_axi_rvalid & unit.m_axi_rready & (unit.m_axi_rresp != 0)
    write = unit.m_axi_bvalid & unit.m_axi_bready & (unit.m_axi_bresp != 0)
    wrong = Signal(name="was_wrong")
    m.d.sync += wrong.eq((read | write) & ~unit.draining)
    m.d.comb += [Assert(unit.failed == wrong), Cover(unit.failed)]
