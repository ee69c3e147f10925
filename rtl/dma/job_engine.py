"""JobEngine: the transfers that run beside a pass, one after the other."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..accelerator.activation_memory import word_layout
from ..accelerator.ports import load_layout
from ..arch.arch import Arch
from ..arch.storage import address_width, memory_depth
from ..layouts.descriptor import COUNT_WIDTH
from ..layouts.jobs import external_of, job_layout, job_number_width
from ..layouts.memory_port import memory_signature
from .packer import RowPacker
from .unpacker import RowUnpacker


def job_row_layout(arch: Arch) -> data.StructLayout:
    """A row of the job memory to load."""
    return data.StructLayout({"row": unsigned(job_number_width(arch)), "job": job_layout(arch)})


class JobEngine(wiring.Component):
    """Fetches jobs, asks the memory for their beats, loads rows or gives words.

    Latency: `rtl.timing.dram`, exactly. Throughput: a beat, a row or a word per cycle.

    Members
    -------
    begin : jobs `first .. first + count - 1` run from now on. active : from the next cycle on until
    the last row is loaded or the memory has taken the last beat; never, where count is 0.
    jobs : rows of the job memory. load : rows for the load port. read_bank, read_address,
    read_enable, read_word : of the activation memory, 1 cycle. memory : of an `AxiMaster`.
    read_beat, written_beat : one was transferred.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.unpacker, self.packer = RowUnpacker(arch), RowPacker(arch)
        super().__init__(
            {
                "begin": In(1),
                "first": In(COUNT_WIDTH),
                "count": In(COUNT_WIDTH),
                "active": Out(1),
                "jobs": In(stream.Signature(job_row_layout(arch), always_ready=True)),
                "load": Out(stream.Signature(load_layout(arch), always_ready=True)),
                "read_bank": Out(1),
                "read_address": Out(address_width(arch.storage.activation_words)),
                "read_enable": Out(1),
                "read_word": In(word_layout(arch)),
                "memory": Out(memory_signature(arch)),
                "read_beat": Out(1),
                "written_beat": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        unpacker, packer = self.unpacker, self.packer
        m.submodules.unpacker, m.submodules.packer = unpacker, packer
        number, left = Signal(COUNT_WIDTH), Signal(COUNT_WIDTH)
        job, port = Signal(job_layout(self.arch)), self.memory
        fetched = self._memory(m, number)
        self.registers = {"number": number, "left": left, "job": job, "fetched": fetched}
        asked, accepted, over = port.request.payload, Signal(), Signal()
        m.d.comb += [
            accepted.eq(port.request.valid & port.request.ready),
            *(getattr(asked, n).eq(getattr(job, n)) for n in ("store", "at", "beats")),
            unpacker.target.eq(job.target),
            *(
                getattr(unit, n).eq(getattr(job, n))
                for unit in (unpacker, packer)
                for n in ("slot", "row", "rows")
            ),
            unpacker.begin.eq(accepted & ~job.store),
            packer.begin.eq(accepted & job.store),
            self.read_bank.eq(job.target),
            self.read_address.eq(packer.read_address),
            self.read_enable.eq(packer.read_enable),
            packer.read_word.eq(self.read_word),
            self.read_beat.eq(port.reads.valid & port.reads.ready),
            self.written_beat.eq(port.writes.valid & port.writes.ready),
        ]
        connect(m, unpacker.load, flipped(self.load))
        connect(m, flipped(port.reads), unpacker.beats)
        connect(m, packer.writes, flipped(port.writes))
        with m.FSM() as fsm:
            self.registers["fsm"] = fsm  # for proofs, as the others
            m.d.comb += self.active.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [number.eq(self.first), left.eq(self.count)]
                with m.If(self.begin & (self.count != 0)):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "LATCH"
            with m.State("LATCH"):
                m.d.sync += [job.eq(fetched), number.eq(number + 1), left.eq(left - 1)]
                m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += port.request.valid.eq(1)
                with m.If(accepted):
                    m.next = "RUN"
            m.d.comb += over.eq(Mux(job.store, port.ended, unpacker.finished))
            with m.State("RUN"), m.If(over):
                m.next = "LATCH"
                with m.If(left == 0):
                    m.next = "IDLE"
        return m

    def _memory(self, m: Module, number: Signal) -> data.View:
        """The job memory, read every cycle."""
        rows = external_of(self.arch).jobs
        store = memory.Memory(shape=job_layout(self.arch), depth=memory_depth(rows), init=[])
        m.submodules.store = store
        write, read = store.write_port(), store.read_port()
        m.d.comb += [
            write.addr.eq(self.jobs.payload.row),
            write.data.eq(self.jobs.payload.job),
            write.en.eq(self.jobs.valid),
            read.addr.eq(number),
        ]
        return read.data
