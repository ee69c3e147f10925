"""AxiMaster: requests for consecutive beats as AXI4 bursts."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.jobs import ADDRESS_WIDTH, external_of, slot_number_width
from ..layouts.memory_port import memory_signature, write_beat_layout

MASTER_MODULE = "adqhw_memory_master"
"""Verilog name of an emitted master."""
INCR = 1
"""Burst type: consecutive addresses."""
CACHE = 0b0011
"""Normal memory, bufferable."""
LENGTH_WIDTH = 8
PAGE_BITS = 12
"""Low bits of the base that are 0."""


def axi_master_members(arch: Arch) -> dict[str, wiring.Member]:
    """AXI4 with ids 0, by the names of its signals."""
    external = external_of(arch)
    address = {
        "id": Out(1), "addr": Out(ADDRESS_WIDTH), "len": Out(LENGTH_WIDTH), "size": Out(3),
        "burst": Out(2), "cache": Out(4), "prot": Out(3), "valid": Out(1), "ready": In(1),
    }  # fmt: skip
    channels = {
        "ar": address,
        "r": {
            "id": In(1), "data": In(external.bus_width), "resp": In(2), "last": In(1),
            "valid": In(1), "ready": Out(1),
        },
        "aw": address,
        "w": {
            "data": Out(external.bus_width), "strb": Out(external.bus_bytes), "last": Out(1),
            "valid": Out(1), "ready": In(1),
        },
        "b": {"id": In(1), "resp": In(2), "valid": In(1), "ready": Out(1)},
    }  # fmt: skip
    return {
        f"m_axi_{channel}{name}": member
        for channel, members in channels.items()
        for name, member in members.items()
    }


def axi_master_signature(arch: Arch) -> dict[str, wiring.Member]:
    """Members of `AxiMaster`."""
    return {
        "memory": In(memory_signature(arch)),
        "base": In(ADDRESS_WIDTH),
        "stop": In(1),
        "idle": Out(1),
        "failed": Out(1),
        **axi_master_members(arch),
    }


class AxiMaster(wiring.Component):
    """Cuts a request into bursts that end at multiples of `burst_beats` beats: so none crosses a
    multiple of 4 KiB. Up to `outstanding` bursts are asked for ahead of their data.

    Bursts that were asked for come to their end whatever happens: after `stop` their read beats are
    dropped, the write beats that are still due change no byte. A response other than OKAY is
    reported; the beats go on. Write data is offered after its address was taken.

    Latency: a request's first address is offered 2 cycles after it was accepted, read beats pass in
    the cycle in which they come, write beats are offered a cycle later; `rtl.timing.dram`.
    Throughput: a beat per cycle.

    Members
    -------
    memory : the other side of `memory_signature`. base : byte address of the first beat, a multiple
    of 4 KiB, constant while not idle. stop : of what uses `memory`, which is reset at the same
    time. idle : nothing is under way. failed : a response was not OKAY, for 1 cycle; not of bursts
    that a stop has cut off.
    m_axi_* : `axi_master_members`.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(axi_master_signature(arch))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        external, request = external_of(self.arch), self.memory.request
        self.store, self.at = Signal(), Signal.like(request.payload.at)
        self.left = Signal.like(request.payload.beats)
        self.inflight = Signal(range(external.outstanding + 1))
        self.credits = Signal(range(external.outstanding + 1))
        self.draining, self.offered, self.written = Signal(), Signal(), Signal()
        ended = Signal()
        m.d.comb += [
            ended.eq((self.left == 0) & ~self.offered & (self.inflight == 0)),
            self.memory.ended.eq(ended),
            self.idle.eq(ended),
            request.ready.eq(ended & ~self.draining & ~self.stop),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += [
                self.store.eq(request.payload.store),
                self.at.eq(request.payload.at),
                self.left.eq(request.payload.beats),
            ]
        closes = self._responses(m)
        self._addresses(m, closes)
        self._write_beats(m)
        with m.If(self.stop):
            m.d.sync += [self.left.eq(0), self.draining.eq(1)]
        with m.Elif(ended):
            m.d.sync += self.draining.eq(0)
        return m

    def _addresses(self, m: Module, closes: Value) -> None:
        """Bursts of the request, one address per cycle. closes: a burst has ended."""
        external = external_of(self.arch)
        ready = Mux(self.store, self.m_axi_awready, self.m_axi_arready)
        length, address = Signal(LENGTH_WIDTH), Signal(ADDRESS_WIDTH)
        self.registers = {"length": length, "address": address}  # for proofs
        beats = Signal(range(external.burst_beats + 1))
        m.d.comb += beats.eq(self._beats_to_the_end(self.at, self.left))
        issues = Signal()
        m.d.comb += issues.eq(
            (self.left != 0)
            & (self.inflight < external.outstanding)
            & (~self.offered | ready)
            & ~self.stop
        )
        with m.If(ready):
            m.d.sync += self.offered.eq(0)
        with m.If(issues):
            offset = Cat(Const(0, slot_number_width(self.arch)), self.at)
            m.d.sync += [
                self.offered.eq(1),
                length.eq(beats - 1),
                address.eq(offset + Cat(Const(0, PAGE_BITS), self.base[PAGE_BITS:])),
                self.at.eq(self.at + beats),
                self.left.eq(self.left - beats),
            ]
        m.d.sync += self.inflight.eq(self.inflight + issues - closes)
        for name, mine in (("ar", ~self.store), ("aw", self.store)):
            values = {
                "addr": address,
                "len": length,
                "size": (external.bus_bytes - 1).bit_length(),
                "burst": INCR,
                "cache": CACHE,
                "valid": self.offered & mine & ~ResetSignal(),
            }
            m.d.comb += [getattr(self, f"m_axi_{name}{n}").eq(v) for n, v in values.items()]

    def _beats_to_the_end(self, at: Value, left: Value) -> Value:
        """Beats until a burst must end or the request does."""
        most = external_of(self.arch).burst_beats
        block = most - at[: (most - 1).bit_length()]
        return Mux(left < block, left, block)

    def _responses(self, m: Module) -> Value:
        """Read beats and write responses; whether one ends a burst."""
        reads = self.memory.reads
        closes = Signal()
        read, answered = Signal(), Signal()
        m.d.comb += [
            reads.valid.eq(self.m_axi_rvalid & ~self.draining),
            reads.payload.eq(self.m_axi_rdata),
            self.m_axi_rready.eq((reads.ready | self.draining) & ~ResetSignal()),
            self.m_axi_bready.eq(~ResetSignal()),
            read.eq(self.m_axi_rvalid & self.m_axi_rready),
            answered.eq(self.m_axi_bvalid & self.m_axi_bready),
            closes.eq((read & self.m_axi_rlast) | answered),
        ]
        wrong = (read & (self.m_axi_rresp != 0)) | (answered & (self.m_axi_bresp != 0))
        m.d.sync += self.failed.eq(wrong & ~self.draining)
        return closes

    def _write_beats(self, m: Module) -> None:
        """Beats of the bursts whose addresses were taken, through a register."""
        external, writes = external_of(self.arch), self.memory.writes
        request = self.memory.request
        low = Signal(max(1, (external.burst_beats - 1).bit_length()))
        left = Signal.like(request.payload.beats)
        beat, last, valid = Signal(write_beat_layout(self.arch)), Signal(), Signal()
        self.registers |= {"low": low, "due": left, "beat": beat, "last": last, "valid": valid}
        taken, moves, ends, asked = (Signal(name=n) for n in ("taken", "moves", "ends", "asked"))
        free = ~valid | self.m_axi_wready
        m.d.comb += [
            writes.ready.eq(free & (self.credits != 0) & ~self.draining),
            taken.eq(writes.valid & writes.ready),
            moves.eq(Mux(self.draining, free & (self.credits != 0), taken)),
            ends.eq((low == external.burst_beats - 1) | (left == 1) | (external.burst_beats == 1)),
            asked.eq(self.m_axi_awvalid & self.m_axi_awready),
            self.m_axi_wvalid.eq(valid & ~ResetSignal()),
            self.m_axi_wdata.eq(beat.data),
            self.m_axi_wstrb.eq(beat.strobes),
            self.m_axi_wlast.eq(last),
        ]
        with m.If(self.m_axi_wready):
            m.d.sync += valid.eq(0)
        with m.If(moves):
            m.d.sync += [
                valid.eq(1),
                last.eq(ends),
                beat.eq(writes.payload),
                low.eq(low + 1),
                left.eq(left - 1),
            ]
            with m.If(self.draining):
                m.d.sync += beat.strobes.eq(0)
        m.d.sync += self.credits.eq(self.credits + asked - (moves & ends))
        with m.If(request.valid & request.ready):
            m.d.sync += [low.eq(request.payload.at), left.eq(request.payload.beats)]
