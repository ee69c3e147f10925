"""Lite port: the five channels of AXI4-Lite as writes and reads that take one cycle each."""

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .registers import ADDRESS_WIDTH, OKAY, SLVERR, WORD


def written_layout() -> data.StructLayout:
    """The write data channel."""
    return data.StructLayout({"data": unsigned(WORD), "strobes": unsigned(WORD // 8)})


def answer_layout() -> data.StructLayout:
    """The read data channel."""
    return data.StructLayout({"data": unsigned(WORD), "response": unsigned(2)})


class LitePort(wiring.Component):
    """Subordinate. Address and data of a write come in any order; no output depends on an input.

    Latency: 2 cycles from the later of a write's address and data to its response, 2 from a read's
    address to its data. Throughput: a write and a read every 2 cycles.

    Members
    -------
    aw, w, b, ar, r : the channels.
    write : a write is carried out in this cycle: address, value, strobes. refused : it is not.
    read : a read is carried out: read_address. answer : its data, in the same cycle.
    """

    def __init__(self) -> None:
        # For proofs too.
        self.registers = {name: Signal(name=f"{name}_full") for name in ("aw", "w", "ar")}
        super().__init__(
            {
                "aw": In(stream.Signature(unsigned(ADDRESS_WIDTH))),
                "w": In(stream.Signature(written_layout())),
                "b": Out(stream.Signature(unsigned(2))),
                "ar": In(stream.Signature(unsigned(ADDRESS_WIDTH))),
                "r": Out(stream.Signature(answer_layout())),
                "write": Out(1),
                "address": Out(ADDRESS_WIDTH),
                "value": Out(WORD),
                "strobes": Out(WORD // 8),
                "refused": In(1),
                "read": Out(1),
                "read_address": Out(ADDRESS_WIDTH),
                "answer": In(answer_layout()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address_full, address = self._held(m, "aw", self.write)
        data_full, written = self._held(m, "w", self.write)
        read_full, read_address = self._held(m, "ar", self.read)
        m.d.comb += [
            self.write.eq(address_full & data_full & (~self.b.valid | self.b.ready)),
            self.address.eq(address),
            self.value.eq(written.data),
            self.strobes.eq(written.strobes),
            self.read.eq(read_full & (~self.r.valid | self.r.ready)),
            self.read_address.eq(read_address),
        ]
        response = Mux(self.refused, SLVERR, OKAY)
        for port, act, payload in (
            (self.b, self.write, response),
            (self.r, self.read, self.answer),
        ):
            with m.If(act):
                m.d.sync += [port.valid.eq(1), port.payload.eq(payload)]
            with m.Elif(port.ready):
                m.d.sync += port.valid.eq(0)
        return m

    def _held(self, m: Module, name: str, done: Value) -> tuple[Value, Value]:
        """A buffer for one transfer of a channel."""
        port = getattr(self, name)
        full, kept = self.registers[name], Signal.like(port.payload, name=f"{name}_kept")
        m.d.comb += port.ready.eq(~full)
        with m.If(port.valid & port.ready):
            m.d.sync += [full.eq(1), kept.eq(port.payload)]
        with m.If(done):
            m.d.sync += full.eq(0)
        return full, kept
