"""Walker: the addresses of single codes, in the order in which an output stage gives them."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import COUNT_WIDTH, EXTENT_WIDTH, walk_layout


class Walker(wiring.Component):
    """Per block, pixel (row-major) and column of a group: word address, lane, inside or not.

    Latency: 0, its outputs are registers plus one adder. Throughput: a code per cycle (`step`).

    Members
    -------
    walk : `walk_layout`, constant while active. setup : begin that walk in the next cycle.
    step : this code is done. active : the outputs describe a code. last : it is the walk's last
    one. address, lane : of the code. channel : its column in all blocks. inside : it exists.
    last_inside : it is the last one that exists.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        address = address_width(arch.storage.activation_words)
        super().__init__(
            {
                "walk": In(walk_layout(arch)),
                "setup": In(1),
                "step": In(1),
                "active": Out(1),
                "address": Out(address),
                "lane": Out(address_width(arch.rows)),
                "channel": Out(COUNT_WIDTH),
                "inside": Out(1),
                "last": Out(1),
                "last_inside": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walk = self.walk
        row, pixel = Signal.like(self.address), Signal.like(self.address)
        y, x = Signal(EXTENT_WIDTH), Signal(EXTENT_WIDTH)
        column, block = Signal(COUNT_WIDTH), Signal(COUNT_WIDTH)
        here = {name: Signal.like(value) for name, value in self._position().items()}
        following = {name: Signal.like(value) for name, value in self._position().items()}
        first = {name: Signal.like(value) for name, value in self._position().items()}
        group_end, line_end = column + 1 == walk.group, x + 1 == walk.width
        map_end = line_end & (y + 1 == walk.height)
        m.d.comb += [
            self.address.eq(pixel + here["word"]),
            self.lane.eq(here["lane"]),
            self.channel.eq(here["channel"]),
            self.inside.eq((here["channel"] >= 0) & (here["channel"] < walk.channels)),
            self.last.eq(group_end & map_end & (block + 1 == walk.blocks)),
            self.last_inside.eq(
                map_end & (block + 1 == walk.blocks) & (here["channel"] + 1 == walk.channels)
            ),
        ]
        self._follow(m, here, following)
        with m.If(self.setup):
            start = {"word": 0, "lane": walk.lane, "channel": walk.channel}
            m.d.sync += [self.active.eq(1), row.eq(walk.start), pixel.eq(walk.start)]
            m.d.sync += [counter.eq(0) for counter in (y, x, column, block)]
            m.d.sync += [at[name].eq(start[name]) for at in (here, first) for name in start]
        with m.Elif(self.active & self.step):
            m.d.sync += [column.eq(column + 1), *self._move(here, following)]
            with m.If(group_end):
                m.d.sync += [column.eq(0), x.eq(x + 1), pixel.eq(pixel + walk.pixel_step)]
                m.d.sync += self._move(here, first)
                with m.If(line_end):
                    m.d.sync += [x.eq(0), y.eq(y + 1)]
                    m.d.sync += [row.eq(row + walk.row_step), pixel.eq(row + walk.row_step)]
                with m.If(map_end):  # the next block begins where this one ended
                    m.d.sync += [y.eq(0), row.eq(walk.start), pixel.eq(walk.start)]
                    m.d.sync += [block.eq(block + 1), *self._move(here, following)]
                    m.d.sync += self._move(first, following)
            m.d.sync += self.active.eq(~self.last)
        return m

    def _position(self) -> dict[str, Value]:
        """Word within the pixel, lane in it, channel: the values that a step changes."""
        return {
            "word": self.address,
            "lane": self.lane,
            "channel": self.walk.channel,
        }

    def _follow(self, m: Module, here: dict[str, Value], following: dict[str, Value]) -> None:
        """The position after `here`; before channel 0 only the channel changes."""
        m.d.comb += [after.eq(here[name]) for name, after in following.items()]
        m.d.comb += following["channel"].eq(here["channel"] + 1)
        with m.If(here["channel"] >= 0):
            m.d.comb += following["lane"].eq(here["lane"] + 1)
            with m.If(self.walk.whole | (here["lane"] == self.arch.rows - 1)):
                m.d.comb += [following["lane"].eq(0), following["word"].eq(here["word"] + 1)]

    @staticmethod
    def _move(target: dict[str, Value], source: dict[str, Value]) -> list[object]:
        return [target[name].eq(source[name]) for name in target]
