"""Code reader: single codes of a stored map as a stream (residuals, read activations)."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import COUNT_WIDTH, walk_layout
from .activation_memory import word_layout
from .walker import Walker


def code_layout(arch: Arch) -> data.StructLayout:
    """A stored code as a number, and its channel in the walk."""
    return data.StructLayout(
        {"code": signed(arch.storage.code_width + 1), "channel": unsigned(COUNT_WIDTH)}
    )


class CodeReader(wiring.Component):
    """Walks a map code by code; codes outside the walk's channels read as 0.

    Stages: address, memory, lane. Latency: 3 cycles from `setup` to the first code.
    Throughput: 1 code per cycle.

    Members
    -------
    walk : `walk_layout`. setup : begin. codes_signed : stored codes are two's complement.
    address, enable, word : the activation memory's port. codes : `code_layout`.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "walk": In(walk_layout(arch)),
                "setup": In(1),
                "codes_signed": In(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "enable": Out(1),
                "word": In(word_layout(arch)),
                "codes": Out(stream.Signature(code_layout(arch))),
            }
        )

    @property
    def latency(self) -> int:
        return 3

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walker = walker = Walker(self.arch)
        advance = Signal()
        m.d.comb += [
            advance.eq(~self.codes.valid | self.codes.ready),
            walker.walk.eq(self.walk),
            walker.setup.eq(self.setup),
            walker.step.eq(advance),
            self.address.eq(walker.address),
            self.enable.eq(advance & walker.active),
        ]
        lane, channel = Signal.like(walker.lane), Signal.like(walker.channel)
        valid, inside = Signal(), Signal()
        self.registers = {"valid": valid}  # for proofs
        stored = Signal(self.arch.storage.code_width)
        m.d.comb += stored.eq(self.word[lane])
        code = Cat(stored, stored[-1] & self.codes_signed).as_signed()
        with m.If(advance):
            m.d.sync += [
                Cat(lane, channel, inside).eq(Cat(walker.lane, walker.channel, walker.inside)),
                Cat(valid, self.codes.valid).eq(Cat(walker.active, valid)),
                self.codes.payload.code.eq(Mux(inside, code, 0)),
                self.codes.payload.channel.eq(channel),
            ]
        return m
