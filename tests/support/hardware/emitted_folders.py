"""Emitted folders as their users run them."""

import os
import subprocess
import sys
from pathlib import Path

PAIR = """
module pair;
  reg clk = 0, rst = 1;
  wire [1:0] done, failed;
  always #5 clk = ~clk;
  {one}_testbench #(.FOLDER("{first}/")) one (clk, rst, done[0], failed[0]);
  {two}_axi_testbench #(.FOLDER("{second}/")) two (clk, rst, done[1], failed[1]);
  initial begin
    repeat (4) @(negedge clk);
    rst = 0;
    wait (&done);
    $display("both %b", failed);
    $finish;
  end
endmodule
"""


def check_pair(one: tuple[Path, str], two: tuple[Path, str], place: Path) -> None:
    """Folders and their prefixes: the testbench of the first, that of the second over its bus."""
    text = PAIR.format(one=one[1], two=two[1], first=one[0], second=two[0])
    (place / "pair.v").write_text(text)
    sources = [*one[0].glob("*.v"), *two[0].glob("*.v"), place / "pair.v"]
    command = ["iverilog", "-g2012", "-s", "pair", "-o", place / "pair.vvp", *sources]
    subprocess.run(command, check=True)
    done = subprocess.run(
        ["vvp", "-n", place / "pair.vvp"], capture_output=True, text=True, check=True
    )
    assert "both 00" in done.stdout
    assert done.stdout.count("PASS: ") == 2


def run_target(folder: Path, target: str, **variables: str) -> subprocess.CompletedProcess:
    """Its own make as a user calls it, with the Pythons of PATH: it finds the simulator; only
    Verilator's runtime is compiled once for all tests."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: os.environ[name] for name in ("OBJCACHE", "ADQHW_OBJECTS")}
    environment = {"PATH": path, "HOME": os.environ.get("HOME", "/")} | kept | variables
    return subprocess.run(
        ["make", "-C", folder, target], capture_output=True, text=True, check=False,
        env=environment,
    )  # fmt: skip
