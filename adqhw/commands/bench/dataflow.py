"""`adqhw bench dataflow`: bits moved per product on both accelerators and two alternatives."""

from pathlib import Path
from typing import Annotated

import typer

from ...console import JSON_OPTION, emit, people, say
from ...spec.host.files import write_file


def command(
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    weight_bits: Annotated[int, typer.Option(help="Bits of a hidden layer's weight code.")] = 4,
    act_bits: Annotated[int, typer.Option(help="Bits of an activation.")] = 4,
    tech: Annotated[str, typer.Option(help="Technology of the energies.")] = "literature45",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """What is held where, from counts of bits moved per product at every level of memory.

    ResNet-20, ResNet-18, ResNet-50 and MobileNet-V2 on 16 x 16 multipliers: the accelerator that
    reads its weights for every pixel, the one that holds them for 2 to 32, an output stationary and
    a row stationary array.

    Example: adqhw bench dataflow -o docs/results/dataflow.md
    """
    from ...cost.technology import technology
    from ...cost.topologies.assumed import Assumptions
    from ...studies.dataflow import study
    from ...studies.dataflow.page import page
    from ...studies.dataflow.records import records

    assumed = Assumptions(weight_bits=weight_bits, act_bits=act_bits)
    table = technology.priced(tech)
    results, holds = {}, {}
    for name, network in study.networks(assumed).items():
        people.print(name, style="dim")
        results[name] = study.machines_of(network)
        holds[name] = study.holds_of(network, table)
    words = ["adqhw bench dataflow"]
    words += [f"--weight-bits {weight_bits}"] if weight_bits != 4 else []
    words += [f"--act-bits {act_bits}"] if act_bits != 4 else []
    words += [f"--tech {tech}"] if tech != "literature45" else []
    write_file(out, page(results, holds, table, assumed, " ".join([*words, f"-o {out}"])))
    if as_json:
        emit(records(results, holds, table))
    else:
        say(f"wrote {out}")
