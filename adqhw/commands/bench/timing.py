"""`adqhw bench timing`: whole accelerators in an FPGA and as gates, how fast and why."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...console import JSON_OPTION, emit, people, show_table
from ...rtl.arch.registry import checked
from ...spec.errors import InputError
from ...spec.host.pages import publish

BUILD = Path("runs/build")
DEFAULT_MHZ = 200.0


def command(
    micro: Annotated[
        list[str] | None,
        typer.Option(help="Micro-architecture; may be repeated. Default: decode, uniform."),
    ] = None,
    liberty: Annotated[
        list[Path] | None,
        typer.Option(help="Static timing in this Liberty (.lib, .lib.gz); may be repeated."),
    ] = None,
    mhz: Annotated[
        list[float] | None,
        typer.Option(help="Clock of a Liberty, in the order of --liberty. Default: 200."),
    ] = None,
    held: Annotated[
        bool | None,
        typer.Option(help="Only accelerators that hold weights, or only the first one."),
    ] = None,
    fpga: Annotated[bool, typer.Option(help="Also place and route for ECP5: minutes.")] = True,
    minutes: Annotated[
        float | None,
        typer.Option(help="Most minutes of nextpnr for a design, else no frequency of it."),
    ] = None,
    access_ns: Annotated[
        float | None, typer.Option(help="Access time of memories as gates see it (0.5).")
    ] = None,
    build: Annotated[Path, typer.Option(help="Folder of what the tools made.")] = BUILD,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write this .md page.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Frequency, resources and longest paths of whole 8x8 accelerators, first and second.

    Needs yosys and nextpnr (pip install -r requirements-synth.txt). What they make is kept in
    --build: a second run only writes the page. The page is written after every design.

    Example: adqhw bench timing --liberty cells.lib --mhz 250 -o docs/timing.md
    """
    from ...gates.netlist import synthesis_tools
    from ...gates.netlist.static import Assumptions
    from ...studies.rtl import timing, timing_page

    libraries = liberty or []
    clocks = [*(mhz or ()), *([DEFAULT_MHZ] * len(libraries))][: len(libraries)]
    if len(mhz or ()) > len(libraries):
        raise InputError(
            f"Clocks must be one per Liberty, not {len(mhz or ())} for {len(libraries)}"
        )
    access = timing.ACCESS_NS if access_ns is None else access_ns
    given = [("Clock in MHz", clock) for clock in clocks] + [("Access time", access)]
    for name, value in [*given, *([] if minutes is None else [("Minutes", minutes)])]:
        if not 0 < value < 1e6:
            raise InputError(f"{name} must be above 0, not {value:g}")
    for path in libraries:
        if not path.is_file():
            raise InputError(f"Liberty must be a file, not {str(path)!r}")
    for name in micro or ():
        checked(name)
    tools = [synthesis_tools.YOSYS, *(["nextpnr-ecp5"] if fpga else [])]
    chosen = timing.designs(timing.MICROS if micro is None else tuple(micro), held=held)
    record = timing_page.Record(versions=synthesis_tools.versions(tools), arch=timing.SIZES)
    for design in chosen:
        for path, clock in zip(libraries, clocks, strict=True):
            _tick(f"{design.name}: {path.name}")
            assumed = Assumptions(
                period_ns=1000 / clock,
                slew_ns=timing.SLEW_NS,
                access_ns=access,
                memory_setup_ns=timing.MEMORY_SETUP_NS,
            )
            record.timed.append(timing.time_gates(design, path, assumed, build))
            _write(out, record)
        if fpga:
            _tick(f"{design.name}: ecp5")
            record.placed.append(timing.place(design, build, minutes))
            _write(out, record)
    if as_json:
        emit(record.to_dict())
        return
    show_table("ECP5", timing_page.PLACED, timing_page.placed_rows(record))
    show_table("gates", timing_page.TIMED, timing_page.timed_rows(record))


def _write(out: Path | None, record: Any) -> None:
    from ...studies.rtl import timing_page

    if out is not None:
        publish(out, timing_page.page(record), timing_page.SEE)


def _tick(text: str) -> None:
    people.print(text, style="dim")
