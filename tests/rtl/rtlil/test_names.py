"""Names of wires: every one has one, none tells of a machine."""

import re

from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from adqhw.rtl import verilog
from adqhw.rtl.accelerator.accelerator import Accelerator
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.layouts.ports import flat_ports
from adqhw.rtl.rtlil.names import named

UNNAMED = re.compile(r"\\\$\d+ ")


class Counter(wiring.Component):
    """A register, an operation of `elaborate`, one of a helper, a taken name."""

    step: In(4)
    above: Out(1)
    count: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.count.eq(self.count + self.step)
        count_next = Signal()
        m.d.comb += [count_next.eq(self.step == 3), self.above.eq(self._limit() & count_next)]
        return m

    def _limit(self):
        return self.count > 11


def test_registers_operations_and_functions_show():
    text = verilog.convert_held(Counter(), "counter")
    assert not UNNAMED.search(text)
    assert re.search(r"count <= count_next_;", text)
    assert re.search(r"assign limit_gt_\d+ ", text)
    assert re.search(r"assign add_\d+ ", text)


def test_a_whole_accelerator_has_no_unnamed_wire_and_no_path():
    dut = Accelerator(Arch(rows=2, cols=2))
    text = verilog.convert_held(dut, "top")
    assert not UNNAMED.search(text)
    assert "src" not in text
    assert ".py" not in text
    assert "/" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


class Passing(wiring.Component):
    """A structure with a field of no bits."""

    def __init__(self):
        layout = data.StructLayout({"code": 3, "nothing": data.StructLayout({})})
        super().__init__({"taken": In(layout), "given": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.given.eq(self.taken)
        return m


def test_fields_of_no_bits_are_left_out():
    text = verilog.convert_held(Passing(), "passing")
    assert "nothing" not in text
    assert "[-1:0]" not in text
    assert "given.code" in text


def test_sources_that_cannot_be_read_leave_plain_names():
    text = rtlil.convert(Counter(), name="counter", ports=flat_ports(Counter()), emit_src=True)
    moved = named(re.sub(r'src "[^"]*"', r'src "/nowhere/at/all.py:7"', text))
    assert "nowhere" not in moved
    assert re.search(r"wire width 1 \\gt_\d+$", moved, re.MULTILINE)
