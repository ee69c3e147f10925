"""Processes that depend on nothing but initial values run in Icarus, too."""

import subprocess

from simulators import usable

from adqhw.cosim.icarus import with_first_event

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
    assert "chosen 0101" in chosen(with_first_event({"top.v": _MODULE})["top.v"], tmp_path)


def test_only_the_flags_of_yosys_change():
    text = with_first_event({"top.v": _MODULE})["top.v"]
    changed = [
        (old, new) for old, new in zip(_MODULE.splitlines(), text.splitlines(), strict=True)
        if old != new
    ]  # fmt: skip
    assert len(changed) == 1
    assert "dump_module" in changed[0][0]
