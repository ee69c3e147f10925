"""`adqhw bench utilization`: useful cycles of whole networks on the array that holds weights."""

from operator import itemgetter
from pathlib import Path
from typing import Annotated

import typer

from ...console import JSON_OPTION, each, emit, say
from ...spec.host.pages import publish
from ...spec.program_file import load
from ..command_line import command_line


def command(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    programs: Annotated[
        list[Path] | None, typer.Argument(help="Program files (.safetensors) to list too.")
    ] = None,
    weight_bits: Annotated[int, typer.Option(help="Bits of a hidden layer's weight code.")] = 4,
    act_bits: Annotated[int, typer.Option(help="Bits of an activation.")] = 4,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Which part of the cycles of a whole image the lanes use, and what the others are lost to.

    ResNet-20, ResNet-18, ResNet-50 and MobileNet-V2 by their shapes, and given programs, on arrays
    of 16 x 16 and 32 x 32 lanes with 4 and 8 output lanes; by the cycle model.

    Example: adqhw bench utilization zoo/cifar10_resnet20_w4a4.safetensors -o utilization.md
    """
    from ...cost.topologies.assumed import Assumptions
    from ...studies.rtl.utilization import SEE, networks, page, used

    paths = [] if programs is None else programs
    assumed = Assumptions(weight_bits=weight_bits, act_bits=act_bits)
    results = {}
    measured = [*((path.stem, load(path)) for path in paths), *networks(assumed).items()]
    with each("networks", measured, itemgetter(0)) as items:
        for name, network in items:
            results[name] = used(network)
    publish(out, page(results, command_line(context)), SEE)
    if as_json:
        emit({name: [use.to_dict() for use in uses] for name, uses in results.items()})
    else:
        say(f"wrote {out}")
