"""Emitted text: names by prefix, no initial zeros, processes on initial values run in Icarus."""

import re
import subprocess

import pytest
from simulators import usable

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.verilog import axi_texts, verilog_texts
from adqhw.rtl.verilog_text import check_prefix, finished
from adqhw.spec import InputError

# What Yosys writes: a process whose only input is a register that never changes.
_MODULE = r"""
module top;
  reg \$auto$verilog_backend.cc:2355:dump_module$1  = 0;
  reg [1:0] index = 2'h0;
  reg [3:0] chosen;
  always @* begin
    if (\$auto$verilog_backend.cc:2355:dump_module$1 ) begin end
    chosen = 4'h0;
    casez (index)
      2'h0: chosen = 4'h5;
    endcase
  end
  initial #1 $display("chosen %b", chosen);
endmodule
"""


def chosen(text, folder):
    (folder / "top.v").write_text(text)
    subprocess.run(["iverilog", "-g2012", "-o", "top.vvp", "top.v"], cwd=folder, check=True)
    done = subprocess.run(
        ["vvp", "top.vvp"], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_what_depends_on_initial_values_is_not_undefined(tmp_path):
    usable("icarus")
    assert "chosen 0101" in chosen(finished(_MODULE), tmp_path)


def test_only_the_flags_of_yosys_change():
    flag = next(line for line in _MODULE.splitlines() if " = 0;" in line and "dump_module" in line)
    before, after = _MODULE.split(flag + "\n")
    text = finished(_MODULE)
    assert text.startswith(before + "`ifdef __ICARUS__\n")
    assert text.endswith(flag + "\n`endif\n" + after)


def test_zeros_of_a_memory_are_left_out_and_other_values_stay():
    zeros = "  reg [3:0] a [1:0];\n  initial begin\n    a[0] = 4'h0;\n    a[1] = 4'h0;\n  end\n"
    assert finished(zeros) == "  reg [3:0] a [1:0];\n"
    one = zeros.replace("a[1] = 4'h0", "a[1] = 4'h1")
    assert finished(one) == one
    mixed = zeros.replace("a[1]", "b[1]")
    assert finished(mixed) == mixed


def test_every_name_of_emitted_verilog_has_the_prefix():
    arch = Arch(rows=1, cols=1, micro="uniform")
    texts = axi_texts(arch, "acc_0") | verilog_texts(arch, "acc_0")
    names = ("accelerator", "column", "engine", "top")
    assert sorted(texts) == [f"acc_0_{name}.v" for name in names]
    text = "".join(texts.values())
    assert "adqhw" not in text
    assert not re.search(r"initial begin\n *\S+ ?\[", text)  # no memory has initial values
    assert len(re.findall(r"^ *reg .*\[\d+:0\];$", text, re.MULTILINE)) > 5  # but there are some


@pytest.mark.parametrize(
    "prefix",
    ["", "Adq", "1a", "a__b", "a_", "_a", "a-b", "a b", "a;", "a\n", "a" * 41, "../a", "a.b", "é"],
)
def test_a_prefix_that_is_no_identifier_everywhere_is_refused(prefix):
    with pytest.raises(InputError, match="Prefix must be lower-case letters"):
        check_prefix(prefix)


def test_prefixes_that_are_taken():
    assert [check_prefix(name) for name in ("a", "acc_0", "x1_y2")] == ["a", "acc_0", "x1_y2"]
