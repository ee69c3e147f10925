"""`adqhw bench place`: wires and power of a gate netlist, unplaced and placed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...console import JSON_OPTION, emit, say, show_table
from ...spec.errors import InputError
from ..characterize import (
    DENSITY_HELP,
    EFFORT_HELP,
    LEF_HELP,
    RC_HELP,
    ROW_HELP,
    UTILIZATION_HELP,
)
from ..placing import placing_of

BUILD = Path("runs/build")
NETLIST_HELP = (
    "Verilog of a library's cells (.v); clocks, latches and clears are taken as they are."
)
TOP_HELP = "Its module (default: the one that no other has)."
SLEW_HELP = "Transition time of every pin in ns (default: the middle of the library's tables)."
ACTIVITY_HELP = "Changes of every input per cycle."
REPAIR_HELP = "Resize cells and insert buffers for the wires: ports, limits, missed periods."
PORTS_HELP = "Repair puts a buffer at every port."
IO_HELP = "Share of the period before inputs arrive, and after outputs are due."
AVOID_HELP = "Cells that repair must not choose, as a pattern ('*lpflow*'); may be repeated."
TREE_HELP = "Clock trees: h, as OpenROAD's flow makes them, or least, of as few buffers as do."
BUFFER_HELP = (
    "Buffer of the clock trees (default: h: OpenROAD's choice, least: least energy per load)."
)
LEAST_ACTIVITY, MOST_ACTIVITY = 0.0, 2.0


def command(
    netlist: Annotated[Path, typer.Argument(help=NETLIST_HELP)],
    liberty: Annotated[Path, typer.Option(help="Liberty of its cells (.lib, .lib.gz).")],
    rc: Annotated[Path, typer.Option(help=RC_HELP)],
    lef: Annotated[list[Path] | None, typer.Option(help=LEF_HELP)] = None,
    row_height: Annotated[float | None, typer.Option(help=ROW_HELP)] = None,
    top: Annotated[str | None, typer.Option(help=TOP_HELP)] = None,
    utilization: Annotated[float, typer.Option(help=UTILIZATION_HELP)] = 0.7,
    density: Annotated[float | None, typer.Option(help=DENSITY_HELP)] = None,
    effort: Annotated[int, typer.Option(help=EFFORT_HELP)] = 3,
    activity: Annotated[float, typer.Option(help=ACTIVITY_HELP)] = 0.1,
    period_ns: Annotated[float, typer.Option(help="Clock period in ns.")] = 5.0,
    repair: Annotated[bool, typer.Option("--repair/--no-repair", help=REPAIR_HELP)] = True,
    buffer_ports: Annotated[
        bool, typer.Option("--buffer-ports/--no-buffer-ports", help=PORTS_HELP)
    ] = True,
    io_delay: Annotated[float, typer.Option(help=IO_HELP)] = 0.2,
    avoid: Annotated[list[str] | None, typer.Option(help=AVOID_HELP)] = None,
    clock_tree: Annotated[str, typer.Option(help=TREE_HELP)] = "h",
    clock_buffer: Annotated[str | None, typer.Option(help=BUFFER_HELP)] = None,
    slew_ns: Annotated[float | None, typer.Option(help=SLEW_HELP)] = None,
    build: Annotated[Path, typer.Option(help="Folder of placements.")] = BUILD,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Place a gate netlist of any flow; report its wires, and its power with and without them.

    Activities are propagated from those of the inputs, without a simulation: what counts is the
    ratio. The netlist is repaired as OpenROAD's flow would: buffers of synthesis are taken out,
    cells resized, buffers inserted, at ports, for the library's limits and where the period is
    missed with the wires (docs/placement.md). Needs yosys, which reads the netlist.

    Example: adqhw bench place design.v --liberty cells.lib --lef cells.lef --rc setRC.tcl
    """
    if not liberty.is_file():
        raise InputError(f"Liberty must be a file, not {str(liberty)!r}")
    if not LEAST_ACTIVITY <= activity <= MOST_ACTIVITY:
        raise InputError(f"Activity must be from 0 to 2 changes per cycle, not {activity!r}")
    if not 1e-6 <= period_ns <= 1e6:
        raise InputError(f"Period must be from 1e-6 to 1e6 ns, not {period_ns!r}")
    if clock_tree not in ("h", "least"):
        raise InputError(f"--clock-tree must be h or least, not {clock_tree!r}")
    from ...gates.energy.energy import middle_slew_ns
    from ...gates.energy.vectorless import Stated, placed_power
    from ...gates.liberty.liberty import read_liberty
    from ...gates.netlist.foreign import read_foreign
    from ...gates.placement.buffers import buffer_named
    from ...gates.placement.clocked import TreeKind, Trees, wires_of
    from ...gates.placement.wires import laid
    from ...gates.repair.clocking import Clocking
    from ...gates.repair.repair import RepairOptions, repaired

    placing = placing_of(True, lef, row_height, rc, utilization, density, effort)
    assert placing is not None
    options = RepairOptions(
        clocking=Clocking(period_ns=period_ns, io_share=io_delay),
        avoided=tuple(avoid or ()),
        buffer_ports=buffer_ports,
        always=True,
    )
    library = read_liberty(liberty)
    design = read_foreign(netlist, liberty, library, top)
    slew = middle_slew_ns(library, design) if slew_ns is None else slew_ns
    chosen = None if clock_buffer is None else buffer_named(library, clock_buffer, slew)
    kind: TreeKind = "h" if clock_tree == "h" else "least"
    trees = Trees(kind=kind, buffer=chosen, avoided=tuple(avoid or ()))
    stated = Stated(activity=activity, slew_ns=slew, period_ns=period_ns)
    done = repaired(design, library, placing, slew, build, options) if repair else None
    found = laid(design, library, placing, slew, build) if done is None else done.placed
    placed = wires_of(design, library, found, trees)
    before = placed_power(design, library, stated, None)
    after = placed_power(design, library, stated, placed)
    if not sum(before.values()) > 0:
        raise InputError("Netlist must draw some power to have a ratio, not none: see --activity")
    final, wires, about = after, placed, None
    if done is not None:
        if done.changed:
            wires = wires_of(done.netlist, library, done.found, trees)
            final = placed_power(done.netlist, library, stated, wires)
        about = done.to_dict() | {
            "io_delay": io_delay,
            "buffer_ports": buffer_ports,
            "placed_mw": _mw(after, period_ns),
            "ratio": sum(after.values()) / sum(before.values()),
        }
    content = {
        "netlist": netlist.name,
        "liberty": library.name,
        "activity": activity,
        "period_ns": period_ns,
        "slew_ns": slew,
        "placement": placing.options.to_dict(),
        "cells": len(design.gates),
        "area_um2": design.area(library),
        "core_um": list(wires.core_um),
        "wire_um": wires.total_um,
        "signal_wire_um": float(wires.wire_um.sum()),
        "clock_wire_um": wires.total_um - float(wires.wire_um.sum()),
        "half_perimeter_um": wires.half_perimeter_um,
        "repeaters": int(wires.repeaters.count.sum()),
        "clock_buffers": sum(tree.buffers for tree in wires.trees.values()),
        "clock_nets": len(wires.trees),
        "clock_tree": clock_tree,
        "clock_buffer": wires.clock_buffer.name,
        "buffer": wires.buffer.name,
        "unplaced_mw": _mw(before, period_ns),
        "placed_mw": _mw(final, period_ns),
        "ratio": sum(final.values()) / sum(before.values()),
        "repair": about,
    }
    emit(content) if as_json else _show(content)


def _mw(fj: dict[str, float], period_ns: float) -> dict[str, float]:
    """fJ per cycle of so many ns are uW."""
    parts = {part: value / period_ns / 1000 for part, value in fj.items()}
    return {**parts, "total": sum(parts.values())}


def _show(content: dict[str, Any]) -> None:
    before, after = content["unplaced_mw"], content["placed_mw"]
    show_table(
        f"{content['netlist']}, {content['liberty']}: mW at {content['activity']:g} changes per "
        f"input and cycle of {content['period_ns']:g} ns",
        ("part", "unplaced", "placed"),
        [(part, f"{before[part]:.4g}", f"{after[part]:.4g}") for part in before],
    )
    say(
        f"{content['cells']:,} cells, {content['area_um2']:,.0f} um2; wires "
        f"{content['wire_um'] / 1000:,.2f} mm, {content['clock_wire_um'] / 1000:,.2f} of them in "
        f"{content['clock_nets']} clock trees with {content['clock_buffers']:,} "
        f"{content['clock_buffer']}; {content['repeaters']:,} repeaters"
    )
    repair = content["repair"]
    if repair is not None:
        _show_repair(repair)
    rest = "detours, IR drop" if repair is not None else "detours, resized cells, IR drop"
    say(f"placed over unplaced: {content['ratio']:.3f}; not in it: {rest}")


def _show_repair(repair: dict[str, Any]) -> None:
    slack = f"worst slack {repair['slack_before_ns']:.3f} ns"
    done = (
        f"{repair['resized']:,} cells resized, {repair['inserted']:,} buffers inserted, "
        f"{repair['removed']:,} of synthesis removed, area {repair['area_growth']:+.1%}"
    )
    if not repair["late_before"]:
        say(
            f"period met with the wires, {slack}; ports and limits: {done}; ratio without them "
            f"{repair['ratio']:.3f}"
        )
        return
    say(
        f"repaired: {done}; {slack} "
        f"before and {repair['slack_after_ns']:.3f} after, {repair['late_before']:,} and "
        f"{repair['late_after']:,} ends late; ratio without repair {repair['ratio']:.3f}"
    )
