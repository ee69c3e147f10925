"""Activation memory: two banks of words, each with one read and one write port."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width, memory_depth

BANKS = 2


def word_layout(arch: Arch) -> data.ArrayLayout:
    """The stored codes of `rows` channels of one pixel."""
    return data.ArrayLayout(unsigned(arch.storage.code_width), arch.rows)


def word_write_layout(arch: Arch) -> data.StructLayout:
    """Lanes of a word to write into the banks of a mask.

    filled: lanes without a code, which are written too, so that a word has no undefined lane.
    """
    return data.StructLayout(
        {
            "banks": BANKS,
            "address": address_width(arch.storage.activation_words),
            "lanes": arch.rows,
            "filled": arch.rows,
            "word": word_layout(arch),
        }
    )


class ActivationMemory(wiring.Component):
    """Serves a beat's word and one residual (or direct) code's word per cycle.

    A tensor read as beats and one read as codes at the same time must be in different banks: the
    placement ensures it, where needed by storing a tensor in both. Hence `write_banks` is a
    mask. A word read in the cycle in which it is written is the old one; no pass does that.

    Latency: 1 cycle. Throughput: a beat word, a code word and a write per cycle.

    Members
    -------
    feed_bank, feed_address, feed_enable, feed_word : the beats' port; word of the last enable.
    read_bank, read_address, read_enable, read_word : the single codes' port.
    write_banks, write_address, write_lanes, write_word : lanes of a word to write.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        address = address_width(arch.storage.activation_words)
        ports: dict[str, wiring.Member] = {}
        for port in ("feed", "read"):
            ports |= {f"{port}_bank": In(1), f"{port}_address": In(address)}
            ports |= {f"{port}_enable": In(1), f"{port}_word": Out(word_layout(arch))}
        super().__init__(
            {
                **ports,
                "write_banks": In(BANKS),
                "write_address": In(address),
                "write_lanes": In(arch.rows),
                "write_word": In(word_layout(arch)),
            }
        )

    @property
    def latency(self) -> int:
        return 1

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = []
        for bank in range(BANKS):
            store = memory.Memory(
                shape=word_layout(self.arch),
                depth=memory_depth(self.arch.storage.activation_words),
                init=[],
            )
            m.submodules[f"bank_{bank}"] = store
            write, read = store.write_port(granularity=1), store.read_port()
            feeding, reading = Signal(name=f"feeding_{bank}"), Signal(name=f"reading_{bank}")
            m.d.comb += [
                feeding.eq(self.feed_enable & (self.feed_bank == bank)),
                reading.eq(self.read_enable & (self.read_bank == bank)),
                read.addr.eq(Mux(feeding, self.feed_address, self.read_address)),
                read.en.eq(feeding | reading),
                write.addr.eq(self.write_address),
                write.data.eq(self.write_word),
                write.en.eq(Mux(self.write_banks[bank], self.write_lanes, 0)),
            ]
            words.append(read.data)
        m.d.comb += [
            self.feed_word.eq(Mux(self.feed_bank, words[1], words[0])),
            self.read_word.eq(Mux(self.read_bank, words[1], words[0])),
        ]
        return m
