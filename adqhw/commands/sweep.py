"""`adqhw sweep`: programs x arrays x micro-architectures x technologies in one table."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..arrays import MICRO_HELP
from ..console import JSON_OPTION, emit, progress, say, show_table
from ..engines import run_in_steps, top1
from ..images import DATA_HELP, read_images
from ..spec.errors import InputError
from ..spec.program import Program
from ..spec.program_file import load
from .estimate import BATCH_HELP, DEFAULT_IMAGES, RESIDENT_HELP, TECH_HELP

if TYPE_CHECKING:
    from ..cosim.explore import Design, Workload
    from ..rtl.arch import Micro


def command(
    programs: Annotated[list[Path], typer.Argument(help="Program files (.safetensors).")],
    rows_cols: Annotated[str, typer.Option(help="Arrays as ROWSxCOLS, comma separated.")] = "16x16",
    micro: Annotated[str, typer.Option(help=f"{MICRO_HELP} Comma separated.")] = ("decode,uniform"),
    tech: Annotated[str, typer.Option(help=f"{TECH_HELP} Comma separated.")] = "literature45",
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    limit: Annotated[
        int | None, typer.Option(help="Evaluate on the first N test images (all).")
    ] = None,
    batch: Annotated[int, typer.Option(help=BATCH_HELP)] = 1,
    resident: Annotated[bool, typer.Option("--resident", help=RESIDENT_HELP)] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the report.")] = Path(
        "runs/sweep"
    ),
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Compare bit allocations and arrays: a table, CSV files, pareto.png and report.html.

    Accuracy comes from running each integer program on the data; without data, from the program's
    own record. The table says which.

    Example: adqhw sweep w4.safetensors w2.safetensors --rows-cols 8x8,16x16 -o runs/sweep
    """
    from ..cosim import technology
    from ..cosim.explore import Grid, sweep
    from ..cosim.report import write_report
    from ..cosim.traffic import Options

    start = time.perf_counter()
    grid = Grid(
        arrays=tuple(_array(text) for text in _list(rows_cols)),
        micros=tuple(_micro(text) for text in _list(micro)),
        technologies=tuple(technology.load(name) for name in _list(tech)),
        options=Options(weights_from_dram=not resident, batch=batch),
    )
    loaded = [load(path) for path in programs]
    workloads = [
        _workload(name, program, data, limit)
        for name, program in zip(_names(programs), loaded, strict=True)
    ]
    with progress("estimating", grid.size * len(workloads)) as advance:
        designs = sweep(workloads, grid, advance)
    files = write_report(out, designs)
    record = {
        "rows": [design.row() for design in designs],
        "files": [str(path) for path in files],
        "seconds": time.perf_counter() - start,
    }
    if as_json:
        emit(record)
        return
    _show(designs)
    say(f"wrote {', '.join(str(path) for path in files)}")


def _workload(name: str, program: Program, data: Path | None, limit: int | None) -> "Workload":
    from ..cosim.estimate import measure
    from ..cosim.explore import Workload

    if data is None and program.provenance.get("dataset") != "digits":
        accuracy = recorded_accuracy(program)
        source = "unknown" if accuracy is None else "program's own record"
        return Workload(name=name, program=program, accuracy=accuracy, accuracy_source=source)
    images = read_images(program, data=data, limit=limit)
    assert images.labels is not None  # a data set always has labels
    with progress(f"evaluating {name}", len(images.images)) as advance:
        result = run_in_steps("numba", program, images.images, advance=advance)
    return Workload(
        name=name,
        program=program,
        activity=measure(program, images.images[:DEFAULT_IMAGES]),
        accuracy=top1(result.logits, images.labels),
        accuracy_source=f"numba engine, {len(images.images)} images of {images.source}",
        accuracy_images=len(images.images),
    )


def recorded_accuracy(program: Program) -> float | None:
    """Top-1 in percent that the program's provenance states for its integers, if any."""
    record = program.provenance.get("accuracy")
    value = record.get("integer") if isinstance(record, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _list(text: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise InputError(f"List must be comma separated without empty items, not {text!r}")
    return list(dict.fromkeys(items))


def _array(text: str) -> tuple[int, int]:
    rows, cross, cols = text.partition("x")
    if not (cross and rows.isdecimal() and cols.isdecimal()):
        raise InputError(f"Array must be ROWSxCOLS, such as 16x16, not {text!r}")
    return int(rows), int(cols)


def _micro(text: str) -> "Micro":
    from ..rtl.arch import Micro

    if text not in set(Micro):
        raise InputError(f"Micro must be one of {', '.join(Micro)}, not {text!r}")
    return Micro(text)


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names that differ: the file's, else with its folder, else the whole path."""
    for short in (lambda p: p.stem, lambda p: f"{p.parent.name}/{p.stem}", str):
        names = [short(path) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise InputError("Program must be named once, not twice on the same command line")


def _show(designs: "Sequence[Design]") -> None:
    from ..cosim.estimate import NOT_A_MEASUREMENT
    from ..cosim.report import by_technology, energy_text, ratio_text

    say(NOT_A_MEASUREMENT)
    columns = ("program", "bits", "top-1 %", "array", "to uniform", "cycles", "energy per image",
               "front")  # fmt: skip
    for name, group in by_technology(designs).items():
        rows = [
            (
                d.workload.name,
                f"{d.bits:.2f}" if math.isfinite(d.bits) else "-",
                "-" if d.workload.accuracy is None else f"{d.workload.accuracy:.2f}",
                f"{d.estimate.arch.rows}x{d.estimate.arch.cols} {d.estimate.arch.micro}",
                ratio_text(d.to_uniform()),
                d.estimate.cycles,
                energy_text(d.estimate.energy.total),
                "yes" if d.pareto else "",
            )
            for d in group
        ]
        show_table(f"technology {name}; expected (low–high)", columns, rows)
    for workload in {d.workload.name: d.workload for d in designs}.values():
        say(f"accuracy of {workload.name}: {workload.accuracy_source}")
    say(f"activity: {', '.join(sorted({d.estimate.statistics for d in designs}))}")
