"""`adqhw explore`: one page on which bits, arrays, memories and technology are chosen."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import JSON_OPTION, emit, progress, say
from ..flows.arrays import MICRO_HELP
from ..flows.images import DATA_HELP, INPUT_HELP, bundled
from ..flows.sweep_programs import recorded_accuracy
from ..rtl.arch.registry import BASELINE, names
from ..spec.errors import InputError
from ..spec.host.text import shown
from ..spec.program_file import load
from .sizes import FILL_HELP, HOLD_HELP, OUT_LANES_HELP, listed, numbers, swept_arrays
from .sweep import short_names

if TYPE_CHECKING:
    from ..cost.explorer.choices import Choices
    from ..cost.explorer.data import Subject

RESULTS_HELP = (
    "Program files (.safetensors) of one network, folders of them, and what `sweep --json` or "
    "`estimate --json` printed (.json)."
)
WAVES_HELP = "Also a picture of waves: a .vcd file of `adqhw cosim --waves`; may be repeated."
GATES_HELP = (
    "Also lane array and output stage by a file of `adqhw characterize`, for every trained program "
    "on every array of the page that is characterized; may be repeated, of several libraries."
)
BASE_HELP = "Program whose bits are set by hand (the most accurate one): its file's name."
EVERY_MICRO = ",".join(f"{n},{n}:4" if n == BASELINE else n for n in names())


def command(
    results: Annotated[list[Path], typer.Argument(help=RESULTS_HELP)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("explore.html"),
    rows_cols: Annotated[
        str, typer.Option(help="Arrays as ROWSxCOLS, comma separated.")
    ] = "8x8,16x16,32x32",
    micro: Annotated[
        str,
        typer.Option(help=f"{MICRO_HELP} Comma separated; {BASELINE}:4 has multipliers of 4 bits."),
    ] = EVERY_MICRO,
    hold: Annotated[str, typer.Option(help=f"{HOLD_HELP} Comma separated.")] = "1,16",
    fill: Annotated[str, typer.Option(help=f"{FILL_HELP} Comma separated.")] = "8",
    out_lanes: Annotated[str, typer.Option(help=f"{OUT_LANES_HELP} Comma separated.")] = "1,4",
    weight_bits: Annotated[str, typer.Option(help="Weight bits on offer.")] = "2,3,4",
    act_bits: Annotated[str, typer.Option(help="Activation bits on offer.")] = "2,3,4",
    tech: Annotated[
        str,
        typer.Option(
            help="Technologies: shipped tables (literature45, scaled130, unit) or .toml files. "
            "Comma separated; the first one is shown."
        ),
    ] = "literature45,scaled130,unit",
    memories: Annotated[
        str,
        typer.Option(
            help="Memory tables on offer, each with technologies of its node: shipped ones or "
            ".toml files, comma separated."
        ),
    ] = "sram45,sram130",
    dram: Annotated[
        str, typer.Option(help="DRAM types on offer: shipped ones or .toml files, comma separated.")
    ] = "lpddr4,ddr4,hbm2",
    waves: Annotated[list[Path] | None, typer.Option(help=WAVES_HELP)] = None,
    gates: Annotated[list[Path] | None, typer.Option(help=GATES_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    base: Annotated[str | None, typer.Option(help=BASE_HELP)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Write one page that costs every choice of bits, array, memories and technology.

    The page needs no network and no server: it opens from a file. Events of every layer are
    counted here, once; on the page they are multiplied by unit energies that you set. Top-1 is
    that of trained programs where the bits are theirs; elsewhere it is predicted and marked.

    Example: adqhw explore zoo -o explore.html
    """
    from ..cost.explorer.choices import Choices
    from ..cost.explorer.data import page_data
    from ..cost.explorer.page import write_page
    from ..cost.explorer.results import read_results
    from ..cost.explorer.waves import read_waves
    from ..cost.technology import technology
    from ..cost.technology.dram_types import load_dram
    from ..cost.technology.memory_table import load_memories

    start = time.perf_counter()
    given, tables, types = listed(tech), listed(memories), listed(dram)
    choices = Choices(
        technologies=tuple(technology.load(name) for name in given),
        micros=tuple(listed(micro)),
        arrays=tuple(swept_arrays(rows_cols, hold, fill, out_lanes)),
        drams=tuple(load_dram(name) for name in types),
        memories=tuple(load_memories(name) for name in tables),
        weight_bits=tuple(sorted(numbers(weight_bits, "--weight-bits"))),
        act_bits=tuple(sorted(numbers(act_bits, "--act-bits"))),
    )
    paths, excerpts = _files(results), [read_waves(path) for path in waves or []]
    points = [point for path in paths if path.suffix == ".json" for point in read_results(path)]
    if (data is not None or input_file is not None) and not gates:
        raise InputError("--data and --input must go with --gates: nothing else is measured")
    subjects = _subjects([path for path in paths if path.suffix != ".json"])
    position, count = _position(subjects, base), len(list(choices.configs))
    by_gates = _by_gates(subjects, choices, gates or [], (data, input_file))
    with progress("tabulating", count) as advance:
        record = page_data(
            subjects,
            choices,
            base=position,
            technologies=given,
            memories=tables,
            drams=types,
            results=points,
            gates=by_gates,
            advance=advance,
        )
    size = write_page(out, record, waves=excerpts)
    made = _record(out, size, record, choices)
    if as_json:
        emit(made | {"seconds": time.perf_counter() - start})
        return
    for reason in made["warnings"]:
        say(f"warning: {reason}")
    say(
        f"wrote {out}: {size / 1e6:.2f} MB, {len(subjects)} programs on {count} arrays; open it in "
        f"a browser"
    )


def _files(results: Sequence[Path]) -> list[Path]:
    """The files, and those of folders, in order."""
    found: list[Path] = []
    for path in results:
        inside = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"Folder must hold programs (.safetensors), {str(path)!r} has none")
        found += inside
    return found


def _subjects(paths: Sequence[Path]) -> "list[Subject]":
    """Programs with the accuracy that they record."""
    from ..cost.explorer.data import Subject
    from ..cost.sweep.designs import Workload

    if not paths:
        raise InputError("Explorer must be given at least one program (.safetensors), not none")
    subjects = []
    for name, path in zip(short_names(paths), paths, strict=True):
        program = load(path)
        accuracy = recorded_accuracy(program)
        images = program.provenance.get("accuracy", {}).get("images") if accuracy else None
        workload = Workload(
            name=name,
            program=program,
            accuracy=accuracy,
            accuracy_source="unknown" if accuracy is None else _source(images),
            accuracy_images=images if isinstance(images, int) else None,
        )
        subjects.append(Subject(workload=workload, path=str(path), told_bits=bundled(program)))
    return subjects


def _by_gates(
    subjects: "Sequence[Subject]",
    choices: "Choices",
    gates: Sequence[Path],
    sources: tuple[Path | None, Path | None],
) -> list[dict[str, Any]]:
    """Figures of the characterizations; nothing without any."""
    if not gates:
        return []
    from .estimates.explored import gate_figures

    with progress("by gates", len(subjects)) as advance:
        found = gate_figures(subjects, choices, gates, sources, advance)
    for reason in found.reasons:
        say(f"not by gates: {reason}")
    return found.records


def _source(images: Any) -> str:
    on = f"{images:,} test images, " if isinstance(images, int) else ""
    return f"integer program on {on}by its own record"


def _position(subjects: "Sequence[Subject]", base: str | None) -> int:
    """The program whose bits are set by hand."""
    names = [subject.workload.name for subject in subjects]
    if base is not None:
        if base not in names:
            raise InputError(f"--base must be one of {', '.join(names)}, not {shown(base)}")
        return names.index(base)
    return max(range(len(names)), key=lambda i: subjects[i].workload.accuracy or 0.0)


def _record(out: Path, size: int, data: dict[str, Any], choices: "Choices") -> dict[str, Any]:
    """What was written, for machines."""
    configs, refused = list(choices.configs), []
    for (micro, lanes), sheets in zip(configs, data["by_hand"], strict=True):
        reasons = {
            reason
            for sheet in sheets.values()
            if "refused" in sheet
            for reason in sheet["refused"].values()
        }
        refused += [f"{micro} {lanes.rows}x{lanes.cols}: {reason}" for reason in sorted(reasons)]
    predictor = data["predictor"]
    return {
        "file": str(out),
        "bytes": size,
        "programs": [program["name"] for program in data["programs"]],
        "base": data["programs"][data["base"]]["name"],
        "configurations": len(configs),
        "rows": len(data["pool"]),
        "predictor": predictor,
        "refused": refused,
        "warnings": [] if predictor else ["too few known accuracies: top-1 is not predicted"],
    }
