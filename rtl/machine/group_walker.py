"""Group walker: word addresses in the order in which an array that holds weights takes beats."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import EXTENT_WIDTH, KERNEL_WIDTH
from ..layouts.held import held_feed_layout, slot_width
from ..timing.held_timing import walker_latency
from .rounds import Rounds

FLAGS = ("word", "first", "last", "opens", "closes")
"""Of `held_beat_layout`."""
_EDGE = signed(EXTENT_WIDTH + 2)
"""A coordinate of the input map; in the padding it is below 0 or at least the map's extent."""


class GroupWalker(wiring.Component):
    """Per block, group, kernel row, kernel column, channel block and pixel of the group: a word.

    Every position of the window goes back to the group's first pixel, so two pixels are kept: the
    current one and the group's first. Stages: counters and pointers; address and coordinates as
    sums of pixel and position; comparison with the map. Each has one addition in series.

    Latency: `walker_latency`, from `setup` to the first position. Throughput: one per cycle.

    Members
    -------
    feed : `held_feed_layout`, constant while active. setup : begin that walk in the next cycle,
    the one before has ended. step : all stages move. active : the outputs describe a position.
    address : word of activations; a word of padding where the window leaves the map and padding
    codes are stored. outside : the window leaves the map here. slot, word, first, last, opens,
    closes : of `held_beat_layout`.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.walking, self.moving = Signal(), Signal()  # a position is in the counters; it leaves
        self.registers = {"walking": self.walking, "summed": Signal()}  # for proofs
        super().__init__(
            {
                "feed": In(held_feed_layout(arch)),
                "setup": In(1),
                "step": In(1),
                "active": Out(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "outside": Out(1),
                "slot": Out(slot_width(arch)),
                **{name: Out(1) for name in FLAGS},
            }
        )

    @property
    def latency(self) -> int:
        return walker_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        feed = self.feed
        self.slot_end, self.group_end, self.block_end = Signal(), Signal(), Signal()
        self.inner = Rounds("inner", feed.channel_blocks)
        self.kx, self.ky = Rounds("kx", feed.kernel_width), Rounds("ky", feed.kernel_height)
        self.groups, self.blocks = Rounds("group", feed.groups), Rounds("block", feed.blocks)
        self.cell_end = self.slot_end & self.inner.end
        self.line_end = self.cell_end & self.kx.end
        m.d.comb += [
            self.moving.eq(self.walking & self.step),
            self.group_end.eq(self.line_end & self.ky.end),
            self.block_end.eq(self.group_end & self.groups.end),
        ]
        with m.If(self.setup):
            m.d.sync += self.walking.eq(1)
        with m.Elif(self.moving & self.block_end & self.blocks.end):
            m.d.sync += self.walking.eq(0)
        for rounds, condition in (
            (self.inner, self.slot_end),
            (self.kx, self.cell_end),
            (self.ky, self.line_end),
            (self.groups, self.group_end),
            (self.blocks, self.block_end),
        ):
            rounds.run(m, self.setup, self.moving & condition)
        slot, flags = self._slots(m)
        window, left, top = self._pixel(m)
        offset, pad, kx, ky = self._position(m)
        self._stages(m, Cat(slot, *flags), window + offset, pad, top + ky, left + kx)
        return m

    def _slots(self, m: Module) -> tuple[Value, list[Value]]:
        """Pixels of the group, of which the first `larger` groups have one more; the flags."""
        feed = self.feed
        slot, left, count = Signal.like(self.slot), Signal.like(feed.size), Signal.like(feed.size)
        only = Signal()  # the group has one pixel
        larger, is_larger = Signal.like(feed.larger), Signal()  # from this group on; this one
        restart, next_larger, next_only = Signal(), Signal(), Signal()
        next_count = Signal.like(feed.size)
        m.d.comb += [
            restart.eq(self.setup | self.groups.end),
            next_larger.eq(Mux(restart, feed.larger.any(), larger[1:].any())),
            next_count.eq(feed.size + next_larger),
            next_only.eq(Mux(next_larger, feed.size == 0, feed.size == 1)),
        ]
        begins = Signal()  # the group's first position
        block_begins, tap_begins = Signal(), Signal()  # the first beat of the block, of a position
        with m.If(self.setup | self.moving & self.group_end):
            m.d.sync += [slot.eq(0), left.eq(next_count), self.slot_end.eq(next_only)]
            m.d.sync += [count.eq(next_count), only.eq(next_only), is_larger.eq(next_larger)]
            m.d.sync += larger.eq(Mux(restart, feed.larger, larger - is_larger))
            m.d.sync += [begins.eq(1), tap_begins.eq(1), block_begins.eq(restart)]
        with m.Elif(self.moving):
            m.d.sync += [slot.eq(slot + 1), left.eq(left - 1), self.slot_end.eq(left == 2)]
            m.d.sync += [tap_begins.eq(self.slot_end), block_begins.eq(0)]
            with m.If(self.slot_end):
                m.d.sync += [slot.eq(0), left.eq(count), self.slot_end.eq(only), begins.eq(0)]
        last = self.inner.end & self.kx.end & self.ky.end
        flags = {
            "word": Mux(feed.constant, block_begins, tap_begins),
            "first": begins,
            "last": last,
            "opens": begins & tap_begins,
            "closes": self.group_end,
        }
        return slot, [flags[name] for name in FLAGS]

    def _pixel(self, m: Module) -> tuple[Value, Value, Value]:
        """Address and map coordinates of the window of the current pixel.

        below: address of the window of the first pixel in the next line of pixels.
        """
        feed = self.feed
        ahead = Signal.like(self.address)  # where the next block begins
        # and its second line; a cycle later, but a block of one beat has no second line
        ahead_below = Signal.like(self.address)
        line = Rounds("line", feed.out_width)
        now: dict[str, Signal] = {
            "address": Signal.like(self.address, name="pixel_address"),
            "below": Signal.like(self.address, name="pixel_below"),
            "left": Signal(_EDGE, name="pixel_left"),
            "top": Signal(_EDGE, name="pixel_top"),
            "line_left": line.left,
            "line_end": line.end,
        }
        first = {name: Signal.like(value, name=f"first_{name}") for name, value in now.items()}
        after = {name: Signal.like(value, name=f"after_{name}") for name, value in now.items()}
        restart = self.setup | self.block_end
        jump = Mux(self.setup, feed.start, ahead)
        jump_below = Mux(self.setup, feed.start + feed.down_step, ahead_below)
        m.d.sync += ahead_below.eq(ahead + feed.down_step)
        m.d.comb += [
            after["address"].eq(now["address"] + feed.right_step),
            after["below"].eq(now["below"]),
            after["left"].eq(now["left"] + feed.stride_right),
            after["top"].eq(now["top"]),
            after["line_left"].eq(line.left - 1),
            after["line_end"].eq(line.left == 2),
        ]
        with m.If(line.end | restart):
            m.d.comb += [
                after["address"].eq(Mux(restart, jump, now["below"])),
                after["below"].eq(Mux(restart, jump_below, now["below"] + feed.down_step)),
                after["left"].eq(-feed.padding_left),
                after["top"].eq(Mux(restart, -feed.padding_top, now["top"] + feed.stride_down)),
                after["line_left"].eq(feed.out_width),
                after["line_end"].eq(feed.out_width == 1),
            ]
        with m.If(self.setup | self.moving):
            with m.If(self.slot_end & ~self.group_end & ~self.setup):
                m.d.sync += [now[name].eq(first[name]) for name in now]
            with m.Else():
                m.d.sync += [now[name].eq(after[name]) for name in now]
            with m.If(self.setup | self.group_end):
                m.d.sync += [first[name].eq(after[name]) for name in now]
            with m.If(restart):
                m.d.sync += ahead.eq(jump + feed.block_step)
        return now["address"], now["left"], now["top"]

    def _position(self, m: Module) -> tuple[Value, Value, Value, Value]:
        """Offset of the position from its window, word of padding, kernel column and row."""
        feed = self.feed
        offset, cell, line, pad = (
            Signal.like(self.address, name=name) for name in ("offset", "cell", "line", "pad")
        )
        kx, ky = Signal(KERNEL_WIDTH), Signal(KERNEL_WIDTH)
        with m.If(self.moving & self.slot_end):
            m.d.sync += [offset.eq(offset + 1), pad.eq(pad + 1)]
            with m.If(self.inner.end):
                m.d.sync += [offset.eq(cell + feed.cell_step), cell.eq(cell + feed.cell_step)]
                m.d.sync += [pad.eq(feed.pad_base), kx.eq(kx + 1)]
                with m.If(self.kx.end):
                    below = line + feed.row_step
                    m.d.sync += [offset.eq(below), cell.eq(below), line.eq(below)]
                    m.d.sync += [kx.eq(0), ky.eq(ky + 1)]
        with m.If(self.setup | self.moving & self.group_end):
            m.d.sync += [signal.eq(0) for signal in (offset, cell, line, kx, ky)]
            m.d.sync += pad.eq(feed.pad_base)
        return offset, pad, kx, ky

    def _stages(
        self, m: Module, control: Value, address: Value, pad: Value, y: Value, x: Value
    ) -> None:
        """Two registers behind the counters: the sums, then the choice of the padding."""
        feed = self.feed
        there, valid = Signal.like(self.address), self.registers["summed"]
        padding = Signal.like(self.address)
        row, column = Signal(_EDGE), Signal(_EDGE)
        kept = Signal(len(control))
        # without a sign a coordinate below 0 is above every extent
        outside = (row.as_unsigned() >= feed.height) | (column.as_unsigned() >= feed.width)
        outputs = Cat(self.slot, *(getattr(self, name) for name in FLAGS))
        with m.If(self.step):
            m.d.sync += [
                valid.eq(self.walking),
                there.eq(address),
                padding.eq(pad),
                row.eq(y),
                column.eq(x),
                kept.eq(control),
                self.active.eq(valid),
                self.outside.eq(outside),
                self.address.eq(Mux(outside & feed.pad_stored, padding, there)),
                outputs.eq(kept),
            ]
