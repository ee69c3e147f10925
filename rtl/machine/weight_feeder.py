"""Weight feeder: the words of weights that an array that holds weights needs, one after another."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.weight_memory import WeightMemory, plane_row_layout
from ..arch.arch import Arch
from ..layouts.held import fields_layout, held_feed_layout, held_plane_width
from ..timing.held_timing import weight_feed_latency
from .rounds import Rounds


class WeightFeeder(wiring.Component):
    """Per block, group of pixels, word and position: the fields of `port_columns` columns.

    A block's words are kernel_height * kernel_width * channel_blocks, which are read again for
    every group; with `constant` it is one word, read once. Reads run ahead of the array as far as
    the stages go: plane number, memory, its register, fields.

    Latency: `weight_feed_latency`, from `setup` to the first fields. Throughput: one per cycle.

    Members
    -------
    feed : `held_feed_layout`, constant while a pass runs. setup : begin in the next cycle, the pass
    before has ended. extend : fields are signed levels, their sign fills the bits above.
    load : rows of the weight memory. fields : `fields_layout`.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.weights = WeightMemory(arch)
        super().__init__(
            {
                "feed": In(held_feed_layout(arch)),
                "setup": In(1),
                "extend": In(1),
                "load": In(stream.Signature(plane_row_layout(arch), always_ready=True)),
                "fields": Out(stream.Signature(fields_layout(arch))),
            }
        )

    @property
    def latency(self) -> int:
        return weight_feed_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weights = weights = self.weights
        wiring.connect(m, wiring.flipped(self.load), weights.load)
        advance, walking = Signal(), Signal()
        planes, position = Signal.like(weights.planes), Signal.like(self.fields.payload.position)
        done = self._walk(m, planes, position, walking & advance)
        with m.If(self.setup):
            m.d.sync += walking.eq(1)
        with m.Elif(advance & done):
            m.d.sync += walking.eq(0)
        m.d.comb += [
            advance.eq(~self.fields.valid | self.fields.ready),
            weights.enable.eq(walking & advance),
            weights.step.eq(advance),
            weights.planes.eq(planes),
            weights.width.eq(self.feed.weight_width),
            weights.extend.eq(self.extend),
        ]
        read, held = Signal(), Signal()
        read_position, held_position = Signal.like(position), Signal.like(position)
        self.registers = {  # for proofs
            "walking": walking,
            "read": read,
            "held": held,
            "positions": [held_position, read_position, position],
        }
        payload = self.fields.payload
        with m.If(advance):
            m.d.sync += Cat(read, held, self.fields.valid).eq(Cat(walking, read, held))
            m.d.sync += Cat(read_position, held_position).eq(Cat(position, read_position))
            with m.If(held):
                m.d.sync += [payload.position.eq(held_position), payload.fields.eq(weights.fields)]
        return m

    def _walk(self, m: Module, planes: Value, position: Value, moving: Value) -> Value:
        """First plane and position; whether they are the last ones."""
        feed = self.feed
        columns = Signal()  # the position is the word's last
        inner = Rounds("inner", feed.channel_blocks)
        kx, ky = Rounds("kx", feed.kernel_width), Rounds("ky", feed.kernel_height)
        groups, blocks = Rounds("group", feed.groups), Rounds("block", feed.blocks)
        cell_end, line_end, words_end, block_end = (
            Signal(name=f"{name}_ends") for name in ("cell", "line", "words", "block")
        )
        m.d.comb += [
            columns.eq(position == self.arch.fill - 1),
            cell_end.eq(columns & inner.end),
            line_end.eq(cell_end & kx.end),
            words_end.eq(columns & feed.constant | line_end & ky.end),
            block_end.eq(words_end & (feed.constant | groups.end)),
        ]
        for rounds, condition in (
            (inner, columns), (kx, cell_end), (ky, line_end), (groups, words_end),
            (blocks, block_end),
        ):  # fmt: skip
            rounds.run(m, self.setup, moving & condition)
        block = Signal(held_plane_width(self.arch))  # first plane of the block
        with m.If(moving):
            following = planes + feed.weight_width
            m.d.sync += [position.eq(Mux(columns, 0, position + 1)), planes.eq(following)]
            with m.If(words_end & ~block_end):
                m.d.sync += planes.eq(block)
            with m.If(block_end):
                m.d.sync += block.eq(following)
        with m.If(self.setup):
            m.d.sync += [position.eq(0), planes.eq(feed.planes), block.eq(feed.planes)]
        return block_end & blocks.end
