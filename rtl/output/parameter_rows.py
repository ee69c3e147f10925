"""Parameter rows: a memory of all output lanes' parameters, read along a chunk walk."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import memory_depth
from ..layouts.held import parameter_row_width
from .payloads import chunk_layout, row_load_layout


class ParameterRows(wiring.Component):
    """Follows a walk by the ends of its chunks; a row is read when it is not the one read last.

    Stages: row, request, memory. Latency: 2 cycles from a chunk to its row.
    Throughput: a chunk per cycle.

    Members
    -------
    load : `row_load_layout`, always ready; a row is loaded before a pass that uses it begins.
    base : row of the first chunk. shared : of all chunks. enable : rows are read in this pass.
    setup : begin. advance : the stages move. valid, chunk : the next chunk.
    forward : its channels end a row.
    row : parameters of the chunk accepted before the last one. fresh : they were read for it.
    reading : a row is read in this cycle, for benches.
    """

    def __init__(self, arch: Arch, row: data.Layout, depth: int) -> None:
        self.arch, self.layout, self.depth = arch, row, depth
        super().__init__(
            {
                "load": In(stream.Signature(row_load_layout(arch, row), always_ready=True)),
                "base": In(parameter_row_width(arch)),
                "shared": In(1),
                "enable": In(1),
                "setup": In(1),
                "advance": In(1),
                "valid": In(1),
                "chunk": In(chunk_layout(arch)),
                "forward": In(1),
                "row": Out(row),
                "fresh": Out(1),
                "reading": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        return 2

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = memory_depth(self.depth)
        m.submodules.store = store = memory.Memory(shape=self.layout.size, depth=depth, init=[])
        write, read = store.write_port(), store.read_port()
        number, first, requested, following = (
            Signal.like(self.base, name=n) for n in ("number", "first", "requested", "following")
        )
        known, request = Signal(), Signal()  # a row of this pass was requested; one is now
        self.registers = {  # for proofs
            "number": number, "first": first, "requested": requested, "known": known,
            "request": request, "store": store,
        }  # fmt: skip
        m.d.comb += [
            following.eq(Mux(self.forward & ~self.shared, number + 1, number)),
            write.addr.eq(self.load.payload.row),
            write.data.eq(self.load.payload.bits),
            write.en.eq(self.load.valid),
            read.addr.eq(requested),
            self.reading.eq(self.advance & request),
            read.en.eq(self.reading),
            self.row.as_value().eq(read.data),
        ]
        with m.If(self.setup):
            m.d.sync += [number.eq(self.base), first.eq(self.base), known.eq(0), request.eq(0)]
        with m.Elif(self.advance):
            m.d.sync += [
                request.eq(self.valid & self.enable & ~(known & (number == requested))),
                self.fresh.eq(request),
            ]
            with m.If(self.valid):
                m.d.sync += [requested.eq(number), known.eq(1), number.eq(following)]
                with m.If(self.chunk.map_end):
                    m.d.sync += first.eq(following)
                with m.Elif(self.chunk.pixel_end):
                    m.d.sync += number.eq(first)
        return m
