"""`adqhw bench budgets`: accuracy, energy, area and cycles of programs of several bit budgets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...console import JSON_OPTION, each, emit, say
from ...flows.arrays import ArraySize
from ...flows.engines import run_in_steps, top1
from ...flows.images import DATA_HELP, read_images
from ...spec.errors import InputError
from ...spec.formats import IntArray
from ...spec.host.pages import publish
from ...spec.program import Program
from ...spec.program_file import load
from ..command_line import command_line
from ..sizes import Fill, Hold, OutLanes

if TYPE_CHECKING:
    from ...studies.budgets.budgets import Candidate, Row

GATES_HELP = "File of `adqhw characterize`; repeated: files of one library are put together."
TECHNOLOGIES_HELP = (
    "Technologies of the memories, comma separated: each library takes the one of its node."
)
STATISTICS_IMAGES = 2


def command(
    context: typer.Context,
    programs: Annotated[list[Path], typer.Argument(help="Program files (.safetensors).")],
    gates: Annotated[list[Path], typer.Option(help=GATES_HELP)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    limit: Annotated[int | None, typer.Option(help="First N test images for top-1.")] = None,
    rows: Annotated[int, typer.Option(help="Input channels per beat.")] = 16,
    cols: Annotated[int, typer.Option(help="Output channels per beat.")] = 16,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    tech: Annotated[str, typer.Option(help=TECHNOLOGIES_HELP)] = "literature45,scaled130",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Programs side by side on every characterized micro-architecture; a table and a verdict.

    A picture of top-1 against energy lies beside the page. Top-1 is the integer program's on the
    test images. Energy and area of array and output stage come from their gates (`adqhw
    characterize`), the memories' energy from a technology table.

    With --hold the arrays that hold weights, characterized with --hold too; their sums once in
    flip-flops, once in memories.

    Example: adqhw bench budgets w4.safetensors w2.safetensors --gates t.toml --data DIR -o page.md
    """
    from ...cost.technology import technology
    from ...gates.model.library import read_all
    from ...studies.budgets import budgets
    from ...studies.budgets import page as budgets_page
    from ...studies.budgets import plot as budgets_plot

    if out.suffix == ".png":
        raise InputError(
            f"Page must not be a .png file, as its picture beside it, not {str(out)!r}"
        )
    size = ArraySize(rows=rows, cols=cols, hold=hold, fill=fill, out_lanes=out_lanes)
    libraries = read_all(gates)
    tables = [technology.priced(name.strip()) for name in tech.split(",")]
    measured: list[Row] = []
    left_out: list[str] = []
    with each("programs", programs, lambda path: path.name) as paths:
        for path in paths:
            candidate, images = candidate_of(path, data, limit)
            measured += budgets.rows_of(
                candidate, libraries, tables, images, left_out=left_out, **size.values
            )
    if not measured:
        raise InputError("Programs must run on a characterized array, not none of them")
    picture = out.with_suffix(".png")
    told = command_line(context)
    lanes = f"{rows}x{cols}"
    chosen = {library.of_node(tables).name for library in libraries.values()}
    used = [table for table in tables if table.name in chosen]
    page = budgets_page.page(measured, used, lanes, told, left_out=left_out)
    publish(out, page, budgets_page.SEE)
    drawings = budgets_plot.write_pictures(measured, picture)
    if drawings:  # the page names the pictures that are there
        page = budgets_page.page(measured, used, lanes, told, drawings, left_out)
        publish(out, page, budgets_page.SEE)
    if as_json:
        names = ", ".join(table.name for table in used)
        emit({"rows": [row.to_dict() for row in measured], "technology": names})
        return
    for kind, some in budgets_page.by_sums(measured).items():
        for line in (*([f"sums in {kind}:"] if kind else []), *budgets_page.verdicts(some)):
            say(line)
    for text in left_out:
        say(f"left out: {text}")
    say(f"wrote {out}")


def candidate_of(
    path: Path, data: Path | None, limit: int | None, *, recorded: bool = False
) -> "tuple[Candidate, IntArray]":
    """The program with its top-1, and the images whose operands are counted.

    recorded: the top-1 that export measured and wrote into the file, where it did and no limit is
    given, and not a new measurement.
    """
    from ...studies.budgets.budgets import Candidate

    program = load(path)
    known = recorded_top1(program) if recorded and limit is None else None
    batch = read_images(program, data=data, limit=STATISTICS_IMAGES if known else limit)
    accuracy = known
    if accuracy is None:
        assert batch.labels is not None  # a data set always has labels
        logits = run_in_steps("numba", program, batch.images).logits
        accuracy = top1(logits, batch.labels)
    name = path.name.removesuffix(".safetensors")
    return Candidate(name=name, program=program, top1=accuracy), batch.images[:STATISTICS_IMAGES]


def recorded_top1(program: Program) -> float | None:
    """Percent of the integer program as its file says; None: it says none that is one."""
    found = program.provenance.get("accuracy")
    value = found.get("integer") if isinstance(found, dict) else None
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100
    return float(value) if good and value is not None else None
