"""Image gate: one whole image per run, delimited by `last`."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch


def image_layout(arch: Arch) -> data.StructLayout:
    """A code of the image; last: it ends the image."""
    return data.StructLayout({"code": unsigned(arch.storage.code_width), "last": unsigned(1)})


class ImageGate(wiring.Component):
    """Passes the codes of an image on, and drops the rest of one whose run has ended.

    A `last` where none is due is `short`, a missing one is `long`: `stop` must follow at once.
    Latency: 0. Throughput: 1 code per cycle.

    Members
    -------
    image : `image_layout`, from outside. codes : to the accelerator. due : the next code is the
    image's last. stop : the run ends; nothing is accepted. realign : an image begins next.
    dropping : transfers are dropped, up to `last`. short, long : 1 cycle after the code.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "image": In(stream.Signature(image_layout(arch))),
                "codes": Out(stream.Signature(unsigned(arch.storage.code_width))),
                **{name: In(1) for name in ("due", "stop", "realign")},
                **{name: Out(1) for name in ("dropping", "short", "long")},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        image, last, taken = self.image, self.image.payload.last, Signal()
        begun = Signal()  # codes of the image were accepted, but not its last one
        self.registers = {"begun": begun}  # for proofs
        m.d.comb += [
            self.codes.valid.eq(image.valid & ~self.dropping & ~self.stop),
            self.codes.payload.eq(image.payload.code),
            image.ready.eq(~self.stop & (self.dropping | self.codes.ready)),
            taken.eq(image.valid & image.ready),
        ]
        m.d.sync += [
            self.short.eq(taken & ~self.dropping & last & ~self.due),
            self.long.eq(taken & ~self.dropping & ~last & self.due),
        ]
        with m.If(taken):
            m.d.sync += begun.eq(~last)
            with m.If(last):
                m.d.sync += self.dropping.eq(0)
        with m.If(self.stop & begun):
            m.d.sync += self.dropping.eq(1)
        with m.If(self.realign):
            m.d.sync += [begun.eq(0), self.dropping.eq(0)]
        return m
