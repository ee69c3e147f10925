"""Beat feeder: reads activation words and weights in beat order, one beat per cycle."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import feed_layout
from .activation_memory import word_layout
from .beat_walker import BeatWalker
from .weight_memory import WeightMemory, plane_row_layout


def fed_layout(arch: Arch) -> data.StructLayout:
    """A beat for the array or the maximum: words as stored; outside: padding, not stored.

    Where lanes hold weights, only the maximum takes such words: without weights and channel.
    """
    if arch.holds:
        flags = {name: unsigned(1) for name in ("outside", "first", "last")}
        return data.StructLayout({"word": word_layout(arch), **flags})
    return data.StructLayout(
        {
            "word": word_layout(arch),
            "weights": data.ArrayLayout(
                data.ArrayLayout(unsigned(arch.field_width), arch.rows), arch.cols
            ),
            "channel": unsigned(arch.channel_width),
            "outside": unsigned(1),
            "first": unsigned(1),
            "last": unsigned(1),
        }
    )


class BeatFeeder(wiring.Component):
    """Walks the beats of a pass: addresses, memories, padding.

    Stages: addresses, memories, beat. Latency: 3 cycles from `setup` to the first beat.
    Throughput: 1 beat per cycle.

    Members
    -------
    feed, parameter_base : of the descriptor. setup : begin. bypass : fields are signed levels.
    load : rows of the weight memory. hold : no stage advances.
    address, enable, word : the activation memory's port.
    beats : `fed_layout`.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "feed": In(feed_layout(arch)),
                "parameter_base": In(arch.channel_width),
                "setup": In(1),
                "bypass": In(1),
                "hold": In(1),
                "load": In(stream.Signature(plane_row_layout(arch), always_ready=True)),
                "address": Out(address_width(arch.storage.activation_words)),
                "enable": Out(1),
                "word": In(word_layout(arch)),
                "beats": Out(stream.Signature(fed_layout(arch))),
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
        m.submodules.walker = walker = BeatWalker(self.arch)
        m.submodules.weights = self.weights = weights = WeightMemory(self.arch)
        wiring.connect(m, wiring.flipped(self.load), weights.load)
        advance = Signal()
        m.d.comb += [
            advance.eq((~self.beats.valid | self.beats.ready) & ~self.hold),
            walker.feed.eq(self.feed),
            walker.parameter_base.eq(self.parameter_base),
            walker.setup.eq(self.setup),
            walker.step.eq(advance),
            self.address.eq(walker.address),
            self.enable.eq(advance & walker.active),
            weights.enable.eq(self.enable),
            weights.planes.eq(walker.planes),
            weights.width.eq(self.feed.weight_width),
            weights.extend.eq(self.bypass),
        ]
        names = ("channel", "outside", "first", "last")
        read = {name: Signal.like(getattr(walker, name), name=f"read_{name}") for name in names}
        read_valid = Signal()
        self.registers = {"valid": read_valid}  # for proofs
        beat = self.beats.payload
        blank = read["outside"] & ~self.feed.pad_stored
        with m.If(advance):
            m.d.sync += [read_valid.eq(walker.active), self.beats.valid.eq(read_valid)]
            m.d.sync += [signal.eq(getattr(walker, name)) for name, signal in read.items()]
            with m.If(read_valid):
                m.d.sync += [getattr(beat, name).eq(signal) for name, signal in read.items()]
                m.d.sync += beat.weights.eq(weights.fields)
                m.d.sync += [
                    code.eq(Mux(blank, 0, stored))
                    for code, stored in zip(beat.word, self.word, strict=True)
                ]
        return m
