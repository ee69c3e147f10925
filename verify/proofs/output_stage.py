"""Output stage of arrays that hold weights: chunks of a walk, their parameters, their results."""

from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.output.chunk_walker import ChunkWalker
from adqhw.rtl.output.output_stage import OutputStage
from adqhw.rtl.output.parameter_rows import ParameterRows

from .arrays import always_same, kept
from .multi_cycle import steady
from .prover import Design
from .streams import SMALL, as_many, inputs, offered_stays


def arch() -> Arch:
    storage = Storage(
        code_width=2, activation_words=4, weight_rows=2, threshold_rows=4, requant_rows=4,
        codebook_rows=2, passes=2,
    )  # fmt: skip
    return Arch(
        rows=4, cols=2, hold=2, out_lanes=2, channels=2, act_width=2, weight_width=2, level_width=3,
        acc_width=5, threshold_width=1, out_width=5, requant=SMALL, storage=storage,
    )  # fmt: skip


def chunks() -> Design:
    """Per block, line, column and chunk of the block's channels: lanes and ends, two lanes.

    Assumed: what the walk says stays; it has as many blocks as its channels need, none is empty.
    """
    unit = ChunkWalker(arch())
    m = unit.elaborate(None)
    walk, chunk, r, active = unit.walk, unit.chunk, unit.registers, unit.active
    always_same(m, walk.as_value())
    x, y = (Signal(len(walk.width), name=n) for n in ("x", "y"))
    block, before, channel = (Signal(16, name=n) for n in ("block", "before", "channel"))
    single = walk.narrow | walk.whole
    step = Mux(single, 1, 2)
    rest = walk.channels - before
    size = Mux(rest < walk.group, rest, walk.group)
    left = size - channel
    at = {
        "pixel_end": left <= step,
        "line_end": x + 1 == walk.width,
        "map_end": y + 1 == walk.height,
        "last": block + 1 == walk.blocks,
    }
    ends: dict[str, Value] = {}
    for name, here in at.items():
        ends[name] = here if not ends else list(ends.values())[-1] & here
    with m.If(unit.setup):
        m.d.sync += [value.eq(0) for value in (x, y, block, before, channel)]
    with m.Elif(active & unit.step):
        m.d.sync += channel.eq(Mux(ends["pixel_end"], 0, channel + step))
        with m.If(ends["pixel_end"]):
            m.d.sync += x.eq(Mux(ends["line_end"], 0, x + 1))
        with m.If(ends["line_end"]):
            m.d.sync += y.eq(Mux(ends["map_end"], 0, y + 1))
        with m.If(ends["map_end"]):
            m.d.sync += [block.eq(block + 1), before.eq(before + walk.group)]
    filled = [value != 0 for value in (walk.width, walk.height, walk.blocks, walk.group)]
    m.d.comb += [
        Assume(Cat(filled).all() & (walk.channels != 0)),
        Assume(~(walk.narrow & walk.whole)),
        Assume(~active | ((rest <= walk.group) == at["last"])),
        Assert(~active | ((x < walk.width) & (y < walk.height) & (block < walk.blocks))),
        Assert(~active | ((before < walk.channels) & (channel < size))),
        *(Assert(~active | (chunk[name] == end)) for name, end in ends.items()),
    ]
    _lanes(m, unit, left, (walk.lane + before + channel)[0], (walk.lane + before)[0])
    counts = {"column": walk.width - x, "line": walk.height - y, "block": walk.blocks - block}
    m.d.comb += [
        Assert(~active | ((r["left"] == left) & (r["size"] == size))),
        Assert(~active | (r["rest"] == (rest - walk.group)[:16])),
        Assert(~active | (r["whole"] == (size <= step))),
        Assert(~active | (r["chunk_end"] == at["pixel_end"])),
        *(
            Assert(~active | (r[f"{name}_end_count"] == count) & (r[f"{name}_end"] == (count == 1)))
            for name, count in counts.items()
        ),
        Cover(active & unit.step & chunk.last & (block == 1)),
    ]
    return Design(module=m, ports=inputs(unit), shown=[x, y, block, channel])


def _lanes(m: Module, unit: Any, left: Value, lane: Value, block_lane: Value) -> None:
    """A wide chunk has the lanes of the channels left; a narrow one that of its channel."""
    walk, r = unit.walk, unit.registers
    wide = Cat(left > 0, left > 1)
    found = unit.chunk.lanes
    m.d.comb += [
        Assert(~unit.active | walk.whole | (found == Mux(walk.narrow, 1 << lane, wide))),
        Assert(~unit.active | ~walk.narrow | (r["lane"] == 1 << lane)),
        Assert(~unit.active | ~walk.narrow | (r["block_lane"] == 1 << block_lane)),
    ]


def parameters() -> Design:
    """The row of every chunk, two steps after it: the first one of its block again for each pixel.

    Assumed: rows are loaded while no chunk is under way.
    """
    unit = ParameterRows(arch(), data.StructLayout({"value": unsigned(3)}), 4)
    m = unit.elaborate(None)
    r, chunk = unit.registers, unit.chunk
    number, first = (Signal.like(r["number"], name=n) for n in ("row_due", "row_first"))
    under_way = [Signal(name=f"under_way_{i}") for i in range(2)]
    rows = [Signal.like(number, name=f"row_of_{i}") for i in range(2)]
    accept = unit.advance & unit.valid & ~unit.setup
    following = (number + (unit.forward & ~unit.shared))[: len(number)]
    steady(m, unit.shared)
    steady(m, unit.enable)
    with m.If(unit.setup):
        m.d.sync += [number.eq(unit.base), first.eq(unit.base)]
        m.d.sync += [there.eq(0) for there in under_way]
    with m.Elif(unit.advance):
        m.d.sync += [new.eq(old) for new, old in zip(under_way, [unit.valid, *under_way],
                                                     strict=False)]  # fmt: skip
        m.d.sync += [new.eq(old) for new, old in zip(rows, [number, *rows], strict=False)]
    with m.If(accept):
        m.d.sync += number.eq(Mux(chunk.pixel_end & ~chunk.map_end, first, following))
        with m.If(chunk.map_end):
            m.d.sync += first.eq(following)
    peek = r["store"].read_port(domain="comb")
    latest, row = kept(len(number), "row_read"), unit.row.as_value()
    known = Signal(name="read_known")  # in this pass
    with m.If(unit.reading):
        m.d.sync += latest.eq(r["requested"])
    with m.If(unit.setup):
        m.d.sync += known.eq(0)
    with m.Elif(unit.reading):
        m.d.sync += known.eq(1)
    m.d.comb += [
        Assume(~unit.load.valid | ~(r["known"] | unit.valid | unit.setup)),
        peek.addr.eq(latest),
        Assert((r["number"] == number) & (r["first"] == first)),
        Assert(~known | (row == peek.data)),
        Assert(~under_way[0] | (r["known"] & (r["requested"] == rows[0]))),
        Assert(~(r["known"] & unit.enable) | r["request"] | (known & (latest == r["requested"]))),
        Assert(~(under_way[1] & unit.enable) | (known & (latest == rows[1]))),
        Assert(~(under_way[1] & unit.enable) | (row == peek.data)),
        Assert(~known | r["known"]),
        Assert(~r["request"] | (unit.enable & r["known"] & under_way[0])),
        Cover(under_way[1] & unit.enable & (row == 5) & (rows[1] == 2)),
    ]
    return Design(module=m, ports=inputs(unit), shown=[number, rows[1], latest])


def results() -> Design:
    """A result for every chunk of a pass whose codes are results, held until it is taken.

    Assumed: what a pass says stays; it does not begin while chunks are under way.
    """
    unit = OutputStage(arch())
    m = unit.elaborate(None)
    for value in (unit.stage, unit.walk, unit.source, unit.to_stream):
        always_same(m, Value.cast(value))
    offered_stays(m, unit.result)
    last = Mux(unit.stage.requant, unit.codes_at, unit.counts_at)
    inside = [
        unit.late_valid[i] & (i <= last) & unit.to_stream for i in range(len(unit.late_valid))
    ]
    went = unit.result.valid & unit.result.ready
    came = unit.take & ~unit.whole & unit.to_stream
    as_many(m, came, went, [*inside, unit.result.valid])
    m.d.comb += [
        Assert(unit.to_stream | ~unit.result.valid),
        Assert(~unit.groups.ready | unit.groups.valid | unit.direct | unit.whole),
    ]
    return Design(module=m, ports=inputs(unit), shown=[unit.late_valid, unit.early_valid])
