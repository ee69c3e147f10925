"""`adqhw bench allocation`: does a budget in energy beat a budget in average bits?"""

import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from ...console import JSON_OPTION, emit, people, say, show_table
from ...flows.arrays import ARCH_HELP, ArraySize
from ...flows.cost_tables import machine_of
from ...spec.errors import InputError
from ...spec.host import markdown
from ...spec.host.locks import sole_owner
from ...studies.ablation.run import Sources
from ...studies.allocation.run import AVERAGES, Plan, Row, run
from ..sizes import Cols, Fill, Hold, Micro, MultiplyWidth, OutLanes, Rows

BEGIN, END = "<!-- allocation: begin -->", "<!-- allocation: end -->"


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    columns = ("budget", "chosen by", "bits", "predicted loss", "energy, nJ", "cycles")
    cells = [
        [
            f"{r.average:g} bits", r.rule, f"{r.bits:.3f}", f"{r.predicted_loss:.4g}",
            f"{r.energy_nj:.1f} ({r.energy_low_nj:.1f} to {r.energy_high_nj:.1f})",
            f"{r.cycles:,.0f}", _spread(r.top1),
        ]
        for r in rows
    ]  # fmt: skip
    return "\n".join(markdown.table([*columns, "top-1, mean +- sd"], cells))


def _spread(values: tuple[float, ...]) -> str:
    sd = f" +- {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{sd} ({', '.join(f'{v:.2f}' for v in values)})"


def command(
    recipe: Annotated[str, typer.Argument(help="A fakequant recipe.")] = "cifar10_resnet20_adq",
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    init: Annotated[Path | None, typer.Option(help="Float weights to start from.")] = None,
    average: Annotated[
        list[float] | None, typer.Option(help="Average bits to start from; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per allocation.")] = 3,
    epochs: Annotated[
        int, typer.Option(min=0, help="Epochs of training; 0: quantized without training.")
    ] = 0,
    rows: Rows = None,
    cols: Cols = None,
    micro: Micro = None,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    multiply_width: MultiplyWidth = None,
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    resident: Annotated[
        bool, typer.Option("--resident", help="The network is on chip: its DRAM is not counted.")
    ] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="For every run.")
    ] = None,
    keep: Annotated[
        Path, typer.Option(help="Folder of finished figures: a killed run goes on there.")
    ] = Path("runs/bench_allocation"),
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Markdown page whose table is replaced.")
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Energy budgets against average-bit budgets: bits, energy, cycles and accuracy of programs.

    Example: adqhw bench allocation --data DIR --init resnet20_optA_fp32.safetensors
    --set data.limit=5120 --set quant.calibration_images=1024 --out docs/allocation.md
    """
    from ...adq.recipes import recipes
    from ...adq.recipes.config_text import override

    if init is None:
        raise InputError("Allocations must start from float weights: pass --init FILE")
    chosen = override(recipes.get(recipe), changes or [])
    if not chosen.quant.quantized:
        raise InputError(f"Recipe must train with quantizers, not be {recipe!r}")
    size = ArraySize(
        rows=rows, cols=cols, micro=micro, hold=hold, fill=fill, out_lanes=out_lanes,
        multiply_width=multiply_width,
    )  # fmt: skip
    machine = replace(machine_of(arch, size), resident=resident)
    plan = Plan(
        recipe=chosen,
        sources=Sources(data=data, init=init, teacher=None, keep=keep),
        averages=tuple(average or AVERAGES),
        seeds=seeds,
        epochs=epochs,
        machine=machine,
    )
    with sole_owner(keep):
        found = run(plan, say)
    words = (
        f"Recipe `{recipe}` with `{' '.join(changes or ()) or 'no changes'}`, "
        + (f"{epochs} epochs" if epochs else "no training")
        + f", {seeds} seeds; energy of one image on {plan.machine.title} "
        f"lanes, technology {plan.machine.technology}, "
        + ("network on chip." if resident else "network loaded from DRAM for each image.")
    )
    if out is not None:
        markdown.write_between(out, "Allocation", (BEGIN, END), f"{words}\n\n{table(found)}")
    if as_json:
        emit({"budget": words, "rows": [asdict(row) for row in found]})
        return
    people.print(words)
    show_table(
        "Allocations",
        ("budget", "chosen by", "bits", "energy nJ", "cycles", "top-1"),
        [(r.average, r.rule, r.bits, r.energy_nj, r.cycles, _spread(r.top1)) for r in found],
    )
