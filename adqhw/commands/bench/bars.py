"""`adqhw bench bars`: the bars of the events against the gates."""

from pathlib import Path
from typing import Annotated

import typer

from ...console import JSON_OPTION, each, emit, say
from ...flows.arrays import array_size
from ...flows.images import DATA_HELP, INPUT_HELP, read_images
from ...spec.errors import InputError
from ...spec.host.pages import publish
from ...spec.program_file import load
from ..command_line import command_line


def command(
    context: typer.Context,
    programs: Annotated[list[Path], typer.Argument(help="Program files (.safetensors).")],
    gates: Annotated[list[Path], typer.Option(help="File of `adqhw characterize`; repeatable.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    images: Annotated[int, typer.Option(help="Images whose operands are counted.")] = 1,
    rows_cols: Annotated[str, typer.Option(help="Arrays as ROWSxCOLS, comma separated.")] = "16x16",
    tech: Annotated[str, typer.Option(help="Technology of the events.")] = "literature45",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Lane arrays by events and by gates: does the bar hold the figure, the order, the slope?

    Exit code 1: a figure lies outside its bar, or two micro-architectures whose bars do not overlap
    stand in the other order.

    Example: adqhw bench bars w4.safetensors w2.safetensors --gates t.toml --data DIR -o page.md
    """
    from ...cost.technology import technology
    from ...gates.model.library import read_all
    from ...studies.gates.event_bars import bars_of, swaps
    from ...studies.gates.event_bars_page import SEE, missed_text, page

    libraries, table = read_all(gates), technology.priced(tech)
    sizes = [array_size(text) for text in rows_cols.split(",")]
    bars = []
    with each("programs", programs, lambda path: path.name) as paths:
        for path in paths:
            program = load(path)
            shown = read_images(program, input_file=input_file, data=data, limit=images).images
            name = path.name.removesuffix(".safetensors")
            bars += bars_of(name, program, libraries, table, shown, sizes)
    if not bars:
        raise InputError("Programs must run on a characterized array, not none of them")
    publish(out, page(bars, table, command_line(context)), SEE)
    missed = [bar for bar in bars if not bar.inside]
    wrong = [swap for swap in swaps(bars) if not swap.undecided]
    if as_json:
        emit({"bars": [_record(bar) for bar in bars], "decided_wrongly": len(wrong)})
    else:
        for bar in missed:
            say(missed_text(bar))
        say(f"wrote {out}: {len(bars) - len(missed)} of {len(bars)} inside their bar")
    if missed or wrong:
        raise typer.Exit(1)


def _record(bar: object) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(bar) | {"inside": bar.inside}  # type: ignore[call-overload, attr-defined]
