"""`adqhw bench verdict`: learned codebooks against plain multipliers, without and with wires."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...console import JSON_OPTION, each, emit, say
from ...flows.arrays import ArraySize
from ...flows.images import DATA_HELP
from ...rtl.arch.registry import BASELINE, DEFAULT
from ...spec.errors import InputError
from ...spec.host.pages import publish
from ..command_line import command_line
from ..sizes import Fill, Hold, OutLanes
from .budgets import GATES_HELP, TECHNOLOGIES_HELP, candidate_of

if TYPE_CHECKING:
    from ...studies.budgets.budgets import Row

LANES = f"{DEFAULT},{BASELINE},{BASELINE}_4,{BASELINE}_3"
LANES_HELP = "Characterized lanes that are compared, separated by commas."
DRAM_HELP = "Type of DRAM: lpddr4, ddr4, hbm2 or a .toml file."


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
    lanes: Annotated[str, typer.Option(help=LANES_HELP)] = LANES,
    tech: Annotated[str, typer.Option(help=TECHNOLOGIES_HELP)] = "literature45,scaled130",
    dram: Annotated[str, typer.Option(help=DRAM_HELP)] = "lpddr4",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Learned codebooks against plain multipliers at equal accuracy, before and after placement.

    Of every library both kinds of characterizations are needed, without and with `--place`, of the
    same arrays. Top-1 is what export measured and wrote into the program file; with --limit it is
    measured. With --hold also the arrays that hold weights, where they are characterized.

    Example: adqhw bench verdict w4.safetensors lsq4.safetensors --gates cells.toml --gates
    placed.toml --data DIR -o page.md
    """
    from ...cost.technology.choice import chosen
    from ...gates.model.library import read_all
    from ...gates.model.parts import lanes_of
    from ...studies.budgets import verdict, verdict_page
    from ...studies.budgets.budgets import rows_of

    only = lanes.split(",")
    for name in only:
        lanes_of(name)
    arrays = [ArraySize(rows=rows, cols=cols)]
    if hold is not None:
        arrays.append(ArraySize(rows=rows, cols=cols, hold=hold, fill=fill, out_lanes=out_lanes))
    elif fill is not None or out_lanes is not None:
        raise InputError("--fill and --out-lanes must go with --hold, not alone")
    libraries = read_all(gates)
    tables = [chosen(name.strip(), dram=dram) for name in tech.split(",")]
    measured: list[Row] = []
    with each("programs", programs, lambda path: path.name) as paths:
        for path in paths:
            candidate, images = candidate_of(path, data, limit, recorded=True)
            for size in arrays:
                measured += rows_of(
                    candidate, libraries, tables, images, only=only, left_out=[], **size.values
                )
    found = verdict.cases(measured)
    if not found:
        raise InputError(
            "Characterizations must have an array of one library placed and unplaced, and programs "
            "plain and learned weights, not one of either alone"
        )
    named = {library.of_node(tables).name for library in libraries.values()}
    page = verdict_page.page(
        found,
        [table for table in tables if table.name in named],
        f"{rows}x{cols}",
        command_line(context),
    )
    publish(out, page, verdict_page.SEE)
    if as_json:
        emit({"cases": [case.to_dict() for case in found]})
        return
    for line in verdict_page.said(found):
        say(line.replace("**", ""))
    say(f"wrote {out}")
