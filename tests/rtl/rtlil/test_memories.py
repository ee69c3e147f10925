"""Memory modules: the Amaranth memory, the plain model and the emitted Verilog do the same."""

import subprocess

import numpy as np
import pytest
from amaranth.hdl import unsigned
from amaranth.lib import data
from amaranth.sim import Simulator
from needs import absent
from simulators import usable

from adqhw.rtl.layouts.macro import MemoryMacro, MemoryShape, memory_modules, memory_shapes
from adqhw.rtl.verilog import convert
from adqhw.rtl.verilog_text import check_plain, renamed
from adqhw.spec import InputError

SHAPES = [(8, 16, 8), (12, 5, 4), (3, 2, 1), (40, 7, 40)]
CYCLES = 300


def stimuli(shape: MemoryShape, seed: int = 0):
    """(write_enable, write_address, write_data, read_enable, read_address) per cycle: everything
    is written first, then anything at any time, often the same address."""
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


def expected(shape: MemoryShape, rows):
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


@pytest.mark.parametrize("size", SHAPES)
def test_the_amaranth_memory_is_the_model(size):
    shape = MemoryShape(width=size[0], depth=size[1], granularity=size[2])
    dut = MemoryMacro(unsigned(shape.width), shape.depth, granularity=shape.granularity)
    rows, found = stimuli(shape), []

    async def bench(ctx):
        names = ("write_enable", "write_address", "write_data", "read_enable", "read_address")
        for row in rows:
            for name, value in zip(names, row, strict=True):
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            found.append(ctx.get(dut.read_data))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    model = expected(shape, rows)
    begun = next(i for i, value in enumerate(model) if value is not None)
    assert found[begun:] == model[begun:]


BENCH = """module bench;
  reg clk = 0; reg [{bits}:0] rows [0:{last}]; integer i;
  reg [{enable}:0] we; reg [{address}:0] wa, ra; reg [{top}:0] wd; reg re; wire [{top}:0] rd;
  wrapper dut (.clk(clk), .rst(1'b0), .write_enable(we), .write_address(wa), .write_data(wd),
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
@pytest.mark.parametrize("size", SHAPES)
def test_the_emitted_module_is_the_model(size, tmp_path):
    """Through an emitted wrapper, so that names and widths of the instance are checked too."""
    usable("icarus")
    shape = MemoryShape(width=size[0], depth=size[1], granularity=size[2])
    layout = data.ArrayLayout(unsigned(shape.granularity), shape.lanes)
    part = shape.granularity if shape.lanes > 1 else None
    dut = MemoryMacro(layout, shape.depth, granularity=part, instances=True)
    wrapper = convert(dut, "wrapper")
    assert memory_shapes({"wrapper.v": wrapper}) == [shape]
    modules = memory_modules([shape])
    assert check_plain(modules, "memories") == modules
    address = (shape.depth - 1).bit_length()
    rows, lines = stimuli(shape), []
    for we, wa, wd, re, ra in rows:
        word = ((we << address | wa) << shape.width | wd) << 1 | re
        lines.append(f"{word << address | ra:x}")
    (tmp_path / "rows.hex").write_text("\n".join(lines))
    bench = BENCH.format(
        bits=shape.lanes + 2 * address + shape.width, last=len(rows) - 1, enable=shape.lanes - 1,
        address=address - 1, top=shape.width - 1,
    )  # fmt: skip
    for name, text in {"wrapper": wrapper, "modules": modules, "bench": bench}.items():
        (tmp_path / f"{name}.v").write_text(text)
    names = [f"{name}.v" for name in ("bench", "wrapper", "modules")]
    try:
        subprocess.run(["iverilog", "-g2005", "-o", "sim", *names], cwd=tmp_path, check=True)
    except FileNotFoundError:
        absent("icarus", "iverilog is not on PATH")
    done = subprocess.run(["vvp", "sim"], cwd=tmp_path, check=True, capture_output=True, text=True)
    model = expected(shape, rows)
    for line, value in zip(done.stdout.split(), model, strict=True):
        assert value is None or int(line, 16) == value


def test_modules_follow_the_prefix_and_are_written_once():
    shapes = [MemoryShape(width=w, depth=d, granularity=g) for w, d, g in SHAPES]
    text = memory_modules(shapes)
    other = renamed(text, "adqhw", "chip_one")
    assert "adqhw_" not in other
    assert other.count("\nmodule chip_one_memory_") == len(SHAPES)
    assert memory_shapes({"a.v": text, "b.v": text}) == sorted(shapes)


@pytest.mark.parametrize("size", [(0, 4, 1), (8, 1, 8), (8, 4, 3), (8, 4, 0)])
def test_a_shape_that_is_no_memory_is_refused(size):
    with pytest.raises(InputError, match="Memory must have at least 2 words"):
        MemoryShape(width=size[0], depth=size[1], granularity=size[2])
