"""Names of wires: every one has one, none tells of a machine, the circuit stays the same."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from programs import every_kind, random_images
from simulators import quickest

from adqhw.cosim.compare.network_cosim import cosimulate_network
from adqhw.cosim.network import network
from adqhw.rtl import verilog
from adqhw.rtl.accelerator.accelerator import Accelerator
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.layouts.ports import flat_ports
from adqhw.rtl.program.fit import narrowest
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


@pytest.mark.parametrize("micro", ["decode", "shift_add"])
def test_a_whole_accelerator_has_no_unnamed_wire_and_no_path(micro):
    dut = Accelerator(Arch(rows=2, cols=2, micro=micro))
    text = verilog.convert_held(dut, "top")
    assert not UNNAMED.search(text)
    assert "src" not in text
    assert ".py" not in text
    assert "/" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def test_sources_that_cannot_be_read_leave_plain_names():
    text = rtlil.convert(Counter(), name="counter", ports=flat_ports(Counter()), emit_src=True)
    moved = named(re.sub(r'src "[^"]*"', r'src "/nowhere/at/all.py:7"', text))
    assert "nowhere" not in moved
    assert re.search(r"wire width 1 \\gt_\d+$", moved, re.MULTILINE)


@pytest.mark.simulator
def test_the_named_circuit_computes_the_same(monkeypatch, tmp_path_factory):
    """A network through the first accelerator, written as the second is."""

    def held_texts(arch, builds):
        parts = verilog._accelerator(arch)
        texts = {module: verilog.convert_held(part, module) for module, part in parts.items()}
        texts["memories"] = verilog.memory_modules(verilog.memory_shapes(texts))
        return {f"{module}.v": verilog.finished(text) for module, text in texts.items()}

    monkeypatch.setattr(network, "kept_texts", held_texts)
    program = every_kind()
    arch = narrowest(program, rows=2, cols=3)
    cache = tmp_path_factory.getbasetemp() / "named"
    images = random_images(program, 1)
    report = cosimulate_network(program, images, arch, build_dir=cache, simulator=quickest())
    assert report.passed
