"""`adqhw bench gates`: energy per MAC at gate level, beside that of the event model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...console import JSON_OPTION, emit, people, say, show_table
from ...flows.arrays import ARCH_HELP, MICRO_HELP, ArraySize, choose_arch
from ...flows.images import DATA_HELP, INPUT_HELP, read_images
from ...spec.errors import InputError
from ...spec.program import Program
from ...spec.program_file import load

if TYPE_CHECKING:
    from ...gates.array.bench import ArrayGates

BUILD = Path("runs/build")
DEFAULT_SIZE, DEFAULT_BEATS = 2, 4000
LIBERTY_HELP = "Liberty to map to (.lib, .lib.gz); may be repeated."
LAYERS_HELP = "Layers, separated by commas (default: all with weights)."
CYCLES_HELP = "Beats per layer, from 8 places of its first image; 0: all."
SLEW_HELP = "Transition time of every pin in ns (default: the middle of the library's tables)."
PERIOD_HELP = "Clock period in ns that cells are sized for (default: as fast as can be)."
WIRE_HELP = "Capacitance of wires as a multiple of that of the pins they reach."
VERILATOR_HELP = "Play in Verilator, beat after beat, instead of 64 parts of a stream at a time."
OPENSTA_HELP = "Compare with OpenSTA (apt-get install opensta) at the measured activity."
GLITCH_HELP = "So many beats with the library's delays too: the share of glitches."
HOLD_HELP = "Also an array that holds weights for so many pixels, beside the first one."
FILL_HELP = "Its cycles in which a weight word enters the lanes (1)."
OUT_LANES_HELP = "Its sums that are read per cycle (1)."
MULTIPLY_HELP = "Bits of `uniform` lanes' multipliers (as wide as levels)."
ABSENT = (
    "glitches (zero delay)", "placed wires", "clock tree",
    "memories of weights, activations and parameters, drain and output stage", "stalls",
)  # fmt: skip


def command(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    liberty: Annotated[list[Path] | None, typer.Option(help=LIBERTY_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    layers: Annotated[str | None, typer.Option(help=LAYERS_HELP)] = None,
    cycles: Annotated[int, typer.Option(help=CYCLES_HELP)] = DEFAULT_BEATS,
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    rows: Annotated[int | None, typer.Option(help="Input channels per beat (2).")] = None,
    cols: Annotated[int | None, typer.Option(help="Output channels per beat (2).")] = None,
    micro: Annotated[str | None, typer.Option(help=MICRO_HELP)] = None,
    multiply_width: Annotated[int | None, typer.Option(help=MULTIPLY_HELP)] = None,
    hold: Annotated[int | None, typer.Option(help=HOLD_HELP)] = None,
    fill: Annotated[int | None, typer.Option(help=FILL_HELP)] = None,
    out_lanes: Annotated[int | None, typer.Option(help=OUT_LANES_HELP)] = None,
    tech: Annotated[str, typer.Option(help="Technology of the event model.")] = "literature45",
    slew_ns: Annotated[float | None, typer.Option(help=SLEW_HELP)] = None,
    period_ns: Annotated[float | None, typer.Option(help=PERIOD_HELP)] = None,
    wire_factor: Annotated[float, typer.Option(help=WIRE_HELP)] = 0.0,
    glitch_beats: Annotated[int, typer.Option(help=GLITCH_HELP)] = 0,
    verilator: Annotated[bool, typer.Option("--verilator", help=VERILATOR_HELP)] = False,
    opensta: Annotated[bool, typer.Option("--opensta", help=OPENSTA_HELP)] = False,
    build: Annotated[Path, typer.Option(help="Folder of netlists and compiled models.")] = BUILD,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Energy per MAC of the lane array's gate netlist, on real operands and on random ones.

    The array is synthesized to each Liberty; its netlist is simulated on the beats of real layers
    and on uniform random ones, every sum is compared with the golden one, and toggles are
    priced with the library's tables. Beside it: the event model of `adqhw estimate` for the
    same array. Needs yosys (pip install -r requirements-synth.txt).

    With --hold the array that holds weights is measured beside the first one of the same size, with
    its memories of sums as flip-flops; areas and energies are split by unit.

    Example: adqhw bench gates program.safetensors --data ~/cifar10 --liberty cells.lib.gz
    """
    if not liberty:
        raise InputError("Liberty must be given with --liberty, not left out: none is shipped")
    for name, value in (("Cycles", cycles), ("Glitch beats", glitch_beats)):
        if value < 0:
            raise InputError(f"{name} must be at least 0, not {value}")
    for path in liberty:
        if not path.is_file():
            raise InputError(f"Liberty must be a file, not {str(path)!r}")
    from ...cosim.simulators.toolchain import find_simulator
    from ...cost.estimate.estimate import estimate, measure
    from ...cost.technology import technology
    from ...gates.array import bench as gate_bench
    from ...gates.model.toggles import golden_tensors
    from ...gates.netlist import synthesis_tools
    from ...studies.gates import glitch_bench, open_sta_bench

    synthesis_tools.find_tool(synthesis_tools.YOSYS)
    if opensta:
        open_sta_bench.check(wire_factor)
    loaded = load(program)
    names = _layer_names(loaded, layers, [layer.name for layer in loaded.mac_layers])
    table = technology.priced(tech)
    if arch is None:  # 16 x 16 lanes, the default of other commands, are 100,000 gates
        rows, cols = (DEFAULT_SIZE if size is None else size for size in (rows, cols))
    size = ArraySize(
        rows=rows, cols=cols, micro=micro, hold=hold, fill=fill, out_lanes=out_lanes,
        multiply_width=multiply_width,
    )  # fmt: skip
    array = choose_arch(loaded, arch, size)
    if array.holds and (verilator or opensta or glitch_beats):
        raise InputError("Hold must be 1 with --verilator, --opensta or --glitch-beats, not more")
    simulator = find_simulator("verilator") if verilator else None
    images = read_images(loaded, input_file=input_file, data=data, limit=1).images
    tensors = golden_tensors(loaded, images)
    activity = measure(loaded, images)
    arrays, measured, shares, compared = [], [], [], []
    for one in gate_bench.beside(array, loaded):
        take = gate_bench.held_streams_of if one.holds else gate_bench.layer_streams_of
        streams = take(one, loaded, names, tensors, cycles or None)
        result = estimate(loaded, one, table, activity=activity)
        events = {n: gate_bench.array_pj_per_mac(result, loaded, n).as_dict() for n in names}
        sums = {n: gate_bench.sums_pj_per_mac(result, loaded, n).as_dict() for n in names}
        for path in liberty:
            _tick(f"{path.name}: synthesis, timing")
            bench = gate_bench.prepare(
                one, path, build, simulator=simulator,
                slew_ns=slew_ns, period_ns=period_ns, wire_factor=wire_factor,
            )  # fmt: skip
            arrays.append(_array_record(bench.array, one.hold))
            found = gate_bench.measure_streams(bench, one, streams, _tick)
            measured += [_row(entry.to_dict(), events, sums, one.hold) for entry in found]
            if glitch_beats:
                _tick(f"{path.name}: glitches")
                short = gate_bench.layer_streams_of(one, loaded, names, tensors, glitch_beats)
                shares += glitch_bench.glitch_shares(bench, one, short)
            if opensta:
                _tick(f"{path.name}: OpenSTA")
                plain = gate_bench.layer_streams_of(one, loaded, names, tensors, cycles or None)
                compared += open_sta_bench.compare_streams(bench, one, plain, path)
    record = {
        "program": str(program),
        "digest": loaded.digest,
        "arch": array.to_dict(),
        "technology": table.name,
        "libraries": arrays,
        "rows": measured,
        "glitches": [share.to_dict() for share in shares],
        "opensta": [entry.to_dict() for entry in compared],
        "absent": list(ABSENT),
    }
    if as_json:
        emit(record)
    else:
        _show(record)


def _layer_names(program: Program, chosen: str | None, known: list[str]) -> list[str]:
    names = chosen.split(",") if chosen else known
    for name in names:
        if name not in known:
            raise InputError(f"Layer must be one of {', '.join(known)}, not {name!r}")
    return names


def _array_record(array: "ArrayGates", hold: int) -> dict[str, Any]:
    assumed = array.assumptions
    return {
        "liberty": array.liberty,
        "hold": hold,
        "voltage": array.voltage,
        "cells": array.cells,
        "flip_flops": array.flip_flops,
        "area_um2": array.area_um2,
        "units_um2": array.units_um2,
        "critical_path_ns": array.critical_path_ns,
        "slew_ns": assumed.slew_ns,
        "period_ns": assumed.period_ns,
        "wire_factor": assumed.wire_factor,
    }


def _row(
    row: dict[str, Any],
    events: dict[str, dict[str, float]],
    sums: dict[str, dict[str, float]],
    hold: int,
) -> dict[str, Any]:
    """A stream's row with the event model's numbers and their signed error."""
    model = events[row["layer"]]
    error = 100 * (model["expected"] / row["pj_per_mac"] - 1)
    return {
        **row,
        "hold": hold,
        "event_model_pj_per_mac": model,
        "event_model_sums_pj_per_mac": sums[row["layer"]],
        "event_model_error_percent": error,
    }


def _show(record: dict[str, Any]) -> None:
    shape = record["arch"]
    for library in record["libraries"]:
        say(
            f"{library['liberty']} ({library['voltage']} V), hold {library['hold']}: "
            f"{library['cells']:,} cells, "
            f"{library['flip_flops']:,} of them flip-flops, {library['area_um2']:,.0f} um2, "
            f"critical path {library['critical_path_ns']:.2f} ns; assumed: slew "
            f"{library['slew_ns']:.3g} ns, period {library['period_ns']:.3g} ns, wires "
            f"{library['wire_factor']:g} of the pins"
        )
    show_table(
        f"{shape['micro']} {shape['rows']}x{shape['cols']}, pJ per MAC of the lane array; event "
        f"model: technology {record['technology']}",
        (
            "liberty", "hold", "layer", "operands", "cycles", "pJ/MAC", "internal", "switching",
            "clock", "leakage", "event model", "its error %",
        ),
        [
            (
                row["liberty"], row["hold"], row["layer"], row["operands"], row["cycles"],
                row["pj_per_mac"],
                *row["parts_pj_per_mac"].values(), row["event_model_pj_per_mac"]["expected"],
                f"{row['event_model_error_percent']:+.0f}",
            )
            for row in record["rows"]
        ],
    )  # fmt: skip
    _show_units(record)
    say("every sum of the netlists was the golden one")
    if record["glitches"]:
        show_table(
            "with delays: what glitches would add",
            ("liberty", "layer", "operands", "cycles", "switching x", "of the array's energy %"),
            [
                (
                    share["liberty"], share["layer"], share["operands"], share["cycles"],
                    share["switching_factor"], f"{share['share_percent']:+.1f}",
                )
                for share in record["glitches"]
            ],
        )  # fmt: skip
    if record["opensta"]:
        _show_open_sta(record["opensta"])
    say(f"in none of these numbers: {', '.join(record['absent'])}")


def _show_units(record: dict[str, Any]) -> None:
    """Area, energy and the clock's part of it by unit, arrays and streams in one table."""
    entries: list[tuple[Any, ...]] = [
        (lib["liberty"], lib["hold"], "area um2", *lib["units_um2"].values())
        for lib in record["libraries"]
        if lib["units_um2"]
    ]
    if not entries:
        return
    for row in record["rows"]:
        units = row["units_pj_per_mac"].values()
        own = row["liberty"], row["hold"]
        what = f"{row['layer']}, {row['operands']}"
        entries.append((*own, f"{what}: pJ/MAC", *(sum(parts.values()) for parts in units)))
        entries.append((*own, f"{what}: its clock", *(parts["clock"] for parts in units)))
    (units, *_) = (lib["units_um2"] for lib in record["libraries"])
    show_table("by unit", ("liberty", "hold", "what", *units), entries)
    for row in record["rows"]:
        if row["hold"] > 1 and row["operands"] == "real":
            say(
                f"{row['layer']}, hold {row['hold']}: sums are in flip-flops here; as a memory the "
                f"event model has {row['event_model_sums_pj_per_mac']['expected']:.3g} pJ per MAC "
                "for their reading and writing, adders apart"
            )


def _show_open_sta(entries: list[dict[str, Any]]) -> None:
    """Own energy and OpenSTA's side by side, a table per library."""
    for liberty in dict.fromkeys(entry["liberty"] for entry in entries):
        rows = []
        for entry in (entry for entry in entries if entry["liberty"] == liberty):
            scale = 1 / entry["cycles"] / 1000
            for part, own in entry["own"].items():
                row = [entry["layer"], entry["operands"], part, own * scale]
                for column in ("open_sta", "one_capacitance"):
                    theirs = entry[column][part]
                    row += [theirs * scale, _difference(theirs, own)]
                rows.append(row)
        show_table(
            f"{liberty}: OpenSTA at the same activity, transition time and period, pJ per cycle",
            ("layer", "operands", "part", "own", "OpenSTA", "%", "one C per pin", "%"),
            rows,
        )
    worst = max(entry["worst_gate"] for entry in entries)
    ports = [entry["port_nets_fj"] / entry["cycles"] / 1000 for entry in entries]
    say(
        f"with one capacitance per pin the switching of no gate is off by more than {worst:.1e} of "
        f"it; nets that ports drive ({min(ports):.3g} to {max(ports):.3g} pJ per cycle) are not "
        "in OpenSTA's; its internal power counts rise and fall for every change (docs/gates.md)"
    )


def _difference(theirs: float, own: float) -> str:
    """Signed, in %; -0 is 0."""
    return f"{round(100 * (theirs / own - 1), 2) + 0.0:+.2f}" if own else "-"


def _tick(text: str) -> None:
    people.print(text, style="dim")
