"""Memory modules: the model, the Amaranth memory and the emitted Verilog do the same."""

import subprocess

import numpy as np
import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from simulators import usable

from adqhw.rtl.rtlil.memories import MemoryShape, memory_modules, memory_shapes
from adqhw.rtl.verilog import convert, convert_held
from adqhw.rtl.verilog_text import check_plain, renamed
from adqhw.spec import InputError

SHAPES = [
    MemoryShape(width=width, depth=depth, granularity=part)
    for width, depth, part in [(8, 16, 8), (12, 5, 4), (3, 2, 1), (40, 7, 40)]
]
CYCLES = 300
PORTS = ("write_enable", "write_address", "write_data", "read_enable", "read_address")


class Store(wiring.Component):
    """An Amaranth memory with the ports of a memory module; `bare` reads without a clock."""

    def __init__(self, shape: MemoryShape, *, bare: bool = False, init: list[int] | None = None):
        self.shape, self.bare, self.init = shape, bare, init or []
        super().__init__(
            {
                "write_enable": In(shape.lanes),
                "write_address": In(shape.address_width),
                "write_data": In(shape.width),
                "read_enable": In(1),
                "read_address": In(shape.address_width),
                "read_data": Out(shape.width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shape = self.shape
        word = data.ArrayLayout(unsigned(shape.granularity), shape.lanes)
        init = [word.from_bits(value) for value in self.init]
        m.submodules.store = store = memory.Memory(shape=word, depth=shape.depth, init=init)
        write = store.write_port(granularity=1)
        read = store.read_port(domain="comb" if self.bare else "sync")
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        if not self.bare:
            m.d.comb += read.en.eq(self.read_enable)
        return m


def stimuli(shape, seed=0):
    """Values of `PORTS` per cycle: everything is written first, then anything at any time, often
    the same address."""
    rng = np.random.default_rng(seed)
    rows = []
    for cycle in range(CYCLES):
        first = cycle < shape.depth
        enable = (1 << shape.lanes) - 1 if first else int(rng.integers(1 << shape.lanes))
        word = int.from_bytes(rng.bytes(8), "little") & ((1 << shape.width) - 1)
        address = cycle if first else int(rng.integers(shape.depth))
        read = address if rng.integers(2) else int(rng.integers(shape.depth))
        rows.append((enable, address, word, int(not first and rng.integers(4) > 0), read))
    return rows


def expected(shape, rows):
    """read_data after every cycle's edge; None before the first read."""
    words, shown, found = [0] * shape.depth, None, []
    part = (1 << shape.granularity) - 1
    for enable, address, word, reading, read in rows:
        if reading:
            shown = words[read]
        for lane in range(shape.lanes):
            if enable >> lane & 1:
                at = part << lane * shape.granularity
                words[address] = words[address] & ~at | word & at
        found.append(shown)
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.module)
def test_the_amaranth_memory_is_the_model(shape):
    dut, rows, found = Store(shape), stimuli(shape), []

    async def bench(ctx):
        for row in rows:
            for name, value in zip(PORTS, row, strict=True):
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            found.append(ctx.get(dut.read_data))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    model = expected(shape, rows)
    begun = next(cycle for cycle, value in enumerate(model) if value is not None)
    assert found[begun:] == model[begun:]


BENCH = """module bench;
  reg clk = 0; reg [{bits}:0] rows [0:{last}]; integer i;
  reg [{enable}:0] we; reg [{address}:0] wa, ra; reg [{top}:0] wd; reg re; wire [{top}:0] rd;
  store dut (.clk(clk), .rst(1'b0), .write_enable(we), .write_address(wa), .write_data(wd),
    .read_enable(re), .read_address(ra), .read_data(rd));
  initial begin
    $readmemh("rows.hex", rows);
    for (i = 0; i <= {last}; i = i + 1) begin
      {{we, wa, wd, re, ra}} = rows[i];
      #1 clk = 1; #1 $display("%h", rd); clk = 0;
    end
  end
endmodule
"""


@pytest.mark.simulator
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.module)
def test_the_emitted_module_is_the_model(shape, tmp_path):
    """Through a text that instantiates it: names, widths and enables of the instance count too."""
    usable("icarus")
    text = convert_held(Store(shape), "store")
    assert memory_shapes({"store.v": text}) == [shape]
    assert "reg" not in text.replace("\\", " ").split()
    modules = memory_modules([shape])
    assert check_plain(modules, "memories") == modules
    address, lines = shape.address_width, []
    rows = stimuli(shape)
    for we, wa, wd, re, ra in rows:
        word = ((we << address | wa) << shape.width | wd) << 1 | re
        lines.append(f"{word << address | ra:x}")
    (tmp_path / "rows.hex").write_text("\n".join(lines))
    bench = BENCH.format(
        bits=shape.lanes + 2 * address + shape.width, last=len(rows) - 1, enable=shape.lanes - 1,
        address=address - 1, top=shape.width - 1,
    )  # fmt: skip
    for name, content in {"store": text, "modules": modules, "bench": bench}.items():
        (tmp_path / f"{name}.v").write_text(content)
    names = [f"{name}.v" for name in ("bench", "store", "modules")]
    subprocess.run(["iverilog", "-g2005", "-o", "sim", *names], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "sim"], cwd=tmp_path, check=True, capture_output=True, text=True)
    for line, value in zip(done.stdout.split(), expected(shape, rows), strict=True):
        assert value is None or int(line, 16) == value


@pytest.mark.parametrize("options", [{"bare": True}, {"init": [1, 2]}], ids=["bare", "filled"])
def test_what_no_macro_does_stays_a_memory(options):
    """A read without a clock, and contents before the first write."""
    assert memory_shapes({"a.v": convert_held(Store(SHAPES[0], **options), "store")}) == []


def test_a_large_memory_costs_no_text():
    """Not a line per word, as `convert` has before its zeros are taken out."""
    shape = MemoryShape(width=64, depth=4096, granularity=64)
    assert convert(Store(shape), "store").count("\n") > 4096
    assert convert_held(Store(shape), "store").count("\n") < 100


def test_modules_follow_the_prefix_and_are_written_once():
    text = memory_modules(SHAPES)
    other = renamed(text, "adqhw", "chip_one")
    assert "adqhw_" not in other
    assert other.count("\nmodule chip_one_memory_") == len(SHAPES)
    assert memory_shapes({"a.v": text, "b.v": text}) == sorted(SHAPES)


@pytest.mark.parametrize("size", [(0, 4, 1), (8, 1, 8), (8, 4, 3), (8, 4, 0)])
def test_a_shape_that_is_no_memory_is_refused(size):
    with pytest.raises(InputError, match="Memory must have at least 2 words"):
        MemoryShape(width=size[0], depth=size[1], granularity=size[2])
