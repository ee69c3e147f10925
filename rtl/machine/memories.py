"""Activation memory of arrays that hold weights: two banks, two reads and two writes per cycle."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.activation_memory import BANKS, word_layout, word_write_layout
from ..arch.arch import Arch
from ..arch.storage import address_width, memory_depth

READS = ("feed", "read")
"""Ports for the operands of the array and for the codes of the output stage."""
JOB_READS = (*READS, "job_read")
"""And for jobs, of arrays with external memory."""


class HeldActivationMemory(wiring.Component):
    """Two banks, each with one read and one write port.

    Reads of the same cycle must be of different banks, and so must be writes: placement and jobs
    ensure it. A word read in the cycle in which it is written is the old one; no pass does that.

    Latency: 1 cycle to read; a word that is written can be read from the cycle after the next one
    on. Throughput: 2 reads and 2 writes per cycle.

    Members
    -------
    feed_bank, feed_address, feed_enable : the array's port.
    read_bank, read_address, read_enable : the output stage's.
    words : read last from each bank, for whoever has registers beside them.
    write, second : `word_write_layout`.
    job_read_bank, job_read_address, job_read_enable, job_read_word, job : the same for jobs.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        address = address_width(arch.storage.activation_words)
        ports: dict[str, wiring.Member] = {}
        for port in READS if arch.external is None else JOB_READS:
            ports |= {f"{port}_bank": In(1), f"{port}_address": In(address)}
            ports[f"{port}_enable"] = In(1)
        self.writes = ("write", "second") if arch.external is None else ("write", "second", "job")
        ports |= {name: In(word_write_layout(arch)) for name in self.writes}
        if arch.external is not None:
            ports["job_read_word"] = Out(word_layout(arch))
        ports["words"] = Out(data.ArrayLayout(word_layout(arch), BANKS))
        super().__init__(ports)

    @property
    def latency(self) -> int:
        return 1

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [self._bank(m, bank) for bank in range(BANKS)]
        m.d.comb += [self.words[bank].eq(word) for bank, word in enumerate(words)]
        self.registers: dict[str, Signal] = {}  # for proofs
        if self.arch.external is not None:
            # which bank was read: the port's bank may be another one before the word is taken
            bank = self.registers["job_read"] = Signal(name="job_read_from")
            with m.If(self.job_read_enable):
                m.d.sync += bank.eq(self.job_read_bank)
            m.d.comb += self.job_read_word.eq(Mux(bank, words[1], words[0]))
        return m

    def _bank(self, m: Module, bank: int) -> Value:
        """The word that was read from it last."""
        store = memory.Memory(
            shape=word_layout(self.arch),
            depth=memory_depth(self.arch.storage.activation_words),
            init=[],
        )
        m.submodules[f"bank_{bank}"] = store
        write, read = store.write_port(granularity=1), store.read_port()
        feeding, other = Signal(name=f"feeding_{bank}"), Signal(name=f"second_{bank}")
        reading: Value = self.read_enable & (self.read_bank == bank)
        others: Value = self.read_address
        second, lanes = self.second, Signal(self.arch.rows, name=f"lanes_{bank}")
        writing = [
            (other, second, second.lanes | second.filled),
            (None, self.write, lanes),
        ]
        if self.arch.external is not None:
            job = Signal(name=f"job_{bank}")
            m.d.comb += job.eq(self.job.banks[bank])
            writing = [(job, self.job, self.job.lanes), *writing]
            storing = Signal(name=f"storing_{bank}")
            m.d.comb += storing.eq(self.job_read_enable & (self.job_read_bank == bank))
            others = Mux(storing, self.job_read_address, others)
            reading |= storing
        m.d.comb += [
            feeding.eq(self.feed_enable & (self.feed_bank == bank)),
            read.addr.eq(Mux(feeding, self.feed_address, others)),
            read.en.eq(feeding | reading),
            other.eq(second.banks[bank] & second.lanes.any()),
            lanes.eq(Mux(self.write.banks[bank], self.write.lanes | self.write.filled, 0)),
        ]
        # Registers: codes come to their words through as much logic as fits in a cycle.
        m.d.sync += [
            write.addr.eq(_first([(flag, port.address) for flag, port, _ in writing])),
            write.data.eq(_first([(flag, port.word.as_value()) for flag, port, _ in writing])),
            write.en.eq(_first([(flag, enable) for flag, _, enable in writing])),
        ]
        return read.data


def _first(choices: list[tuple[Signal | None, Value]]) -> Value:
    """The value of the first flag that is set; the last one has none."""
    (flag, value), *others = choices
    return value if flag is None else Mux(flag, value, _first(others))
