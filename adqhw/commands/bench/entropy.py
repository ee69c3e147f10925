"""`adqhw bench entropy`: bits and energy of entropy-coded weights."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from ...console import JSON_OPTION, each, emit, say
from ...spec.host.pages import publish
from ...spec.program_file import load
from ..command_line import command_line
from ..estimate import DRAM_HELP, MEMORIES_HELP, TECH_HELP


def command(
    context: typer.Context,
    programs: Annotated[list[Path], typer.Argument(help="Program files (.safetensors).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    tech: Annotated[str, typer.Option(help=TECH_HELP)] = "literature45",
    memories: Annotated[str, typer.Option(help=MEMORIES_HELP)] = "sram45",
    dram: Annotated[str, typer.Option(help=DRAM_HELP)] = "lpddr4",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Huffman codes of a program's weights: bits, break-even, change of the energy of an image.

    Example: adqhw bench entropy w4.safetensors w2.safetensors -o page.md
    """
    from ...cost.estimate.estimate import estimate
    from ...cost.technology.choice import chosen
    from ...cost.technology.dram_types import available_drams, load_dram
    from ...rtl.program.fit import narrowest
    from ...studies.coding.break_even import saving
    from ...studies.coding.huffman import coded_layers
    from ...studies.coding.page import SEE, page

    technology = chosen(tech, memories=memories, dram=dram)
    savings = []
    with each("programs", programs, lambda path: path.name) as paths:
        for path in paths:
            program = load(path)
            result = estimate(program, narrowest(program, rows=16, cols=16), technology)
            savings.append(saving(path.stem, coded_layers(program), result))
    drams = [load_dram(name) for name in available_drams()]
    text = page(savings, technology, drams, command_line(context))
    publish(out, text, SEE)
    if as_json:
        emit({"savings": [dataclasses.asdict(one) for one in savings]})
    else:
        say(f"wrote {out}: {len(savings)} programs")
