"""`adqhw bench dataflow`: bits moved per product on both accelerators and two alternatives."""

from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...console import JSON_OPTION, each, emit, people, say
from ...flows.images import DATA_HELP, read_images
from ...spec.errors import InputError
from ...spec.host.pages import publish
from ...spec.program_file import load
from ..command_line import command_line

if TYPE_CHECKING:
    from ...cost.technology.technology import Technology
    from ...studies.dataflow.programs import ProgramRow


def command(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    programs: Annotated[
        list[Path] | None, typer.Argument(help="Program files (.safetensors).")
    ] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    images: Annotated[int, typer.Option(help="Images that activity is measured on.")] = 100,
    weight_bits: Annotated[int, typer.Option(help="Bits of a hidden layer's weight code.")] = 4,
    act_bits: Annotated[int, typer.Option(help="Bits of an activation.")] = 4,
    tech: Annotated[str, typer.Option(help="Technology of the energies.")] = "literature45",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """What is held where, from counts of bits moved per product at every level of memory.

    ResNet-20, ResNet-18, ResNet-50 and MobileNet-V2 on 16 x 16 multipliers: the accelerator that
    reads its weights for every pixel, the one that holds them for 2 to 32, an output stationary and
    a row stationary array. Programs are costed on both accelerators, with the activity of images of
    DIR or, without it, as if no activation were 0.

    Example: adqhw bench dataflow zoo/cifar10_resnet20_w4a4.safetensors --data DIR -o page.md
    """
    from ...cost.technology import technology
    from ...cost.topologies.assumed import Assumptions
    from ...studies.dataflow import study
    from ...studies.dataflow.page import SEE, page
    from ...studies.dataflow.records import records

    if images < 1:
        raise InputError(f"Number of images must be at least 1, not {images}")
    if data is not None and not programs:
        raise InputError("--data must go with programs: there is nothing else to measure")
    assumed = Assumptions(weight_bits=weight_bits, act_bits=act_bits)
    table = technology.priced(tech)
    results, holds = {}, {}
    with each("networks", list(study.networks(assumed).items()), itemgetter(0)) as networks:
        for name, network in networks:
            results[name] = study.machines_of(network)
            holds[name] = study.holds_of(network, table)
    rows = [row for path in programs or [] for row in _rows(path, table, data, images)]
    told = command_line(context)
    publish(out, page(results, holds, table, assumed, told, rows), SEE)
    if as_json:
        emit(records(results, holds, table, rows))
    else:
        say(f"wrote {out}")


def _rows(path: Path, table: "Technology", data: Path | None, limit: int) -> "list[ProgramRow]":
    """A program on both accelerators."""
    from ...cost.estimate.estimate import measure
    from ...studies.dataflow.programs import rows_of

    people.print(path.name, style="dim")
    program = load(path)
    shown = None if data is None else read_images(program, data=data, limit=limit).images
    name = path.name.removesuffix(".safetensors")
    return rows_of(name, program, table, measure(program, shown))
