"""The command line: `adqhw COMMAND --help` teaches each command."""

from collections.abc import Callable

import typer

from .commands import (
    calibrate,
    characterize,
    cosim,
    demo,
    diff,
    doctor,
    estimate,
    evaluate,
    explore,
    export,
    export_onnx,
    import_,
    inspect,
    schema,
    simulate,
    sweep,
    train,
    verilog,
)
from .commands.bench import (
    ablation as bench_ablation,
)
from .commands.bench import (
    allocation as bench_allocation,
)
from .commands.bench import (
    bars as bench_bars,
)
from .commands.bench import (
    budgets as bench_budgets,
)
from .commands.bench import (
    cards as bench_cards,
)
from .commands.bench import (
    dataflow as bench_dataflow,
)
from .commands.bench import (
    entropy as bench_entropy,
)
from .commands.bench import (
    estimate as bench_estimate,
)
from .commands.bench import (
    gates as bench_gates,
)
from .commands.bench import (
    model as bench_model,
)
from .commands.bench import (
    place as bench_place,
)
from .commands.bench import (
    rtl as bench_rtl,
)
from .commands.bench import (
    sim as bench,
)
from .commands.bench import (
    steps as bench_steps,
)
from .commands.bench import (
    timing as bench_timing,
)
from .commands.bench import (
    tornado as bench_tornado,
)
from .commands.bench import (
    train as bench_train,
)
from .commands.bench import (
    utilization as bench_utilization,
)
from .commands.bench import (
    verdict as bench_verdict,
)
from .console import guarded
from .spec.host.version import VERSION

app = typer.Typer(
    help=(
        "Learned-codebook CNNs from training to bit-exact RTL, cycles and energy per layer.\n\n"
        "Start with `adqhw demo`. Every command takes --json for machines; exit code 0 is done, "
        "1 a failed check, 2 bad input."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

for module in (
    demo,
    train,
    calibrate,
    evaluate,
    export,
    export_onnx,
    import_,
    inspect,
    simulate,
    verilog,
    cosim,
    diff,
    estimate,
    sweep,
    explore,
    characterize,
    doctor,
    schema,
):
    name = module.__name__.rsplit(".", 1)[-1].rstrip("_").replace("_", "-")
    app.command(name)(guarded(module.command, name))


benchmarks = typer.Typer(
    help="Measurements side by side with other tools or settings, in one run.",
    no_args_is_help=True,
)
MEASUREMENTS: dict[str, Callable[..., None]] = {
    "sim": bench.command,
    "cosim": bench_rtl.cosim,
    "shapes": bench_rtl.shapes,
    "synth": bench_rtl.synth,
    "timing": bench_timing.command,
    "gates": bench_gates.command,
    "model": bench_model.command,
    "place": bench_place.command,
    "bars": bench_bars.command,
    "budgets": bench_budgets.command,
    "verdict": bench_verdict.command,
    "utilization": bench_utilization.command,
    "cards": bench_cards.command,
    "dataflow": bench_dataflow.command,
    "entropy": bench_entropy.command,
    "estimate": bench_estimate.command,
    "ablation": bench_ablation.command,
    "steps": bench_steps.command,
    "allocation": bench_allocation.command,
    "tornado": bench_tornado.command,
    "train": bench_train.command,
}
for name, measurement in MEASUREMENTS.items():
    benchmarks.command(name)(guarded(measurement, f"bench {name}"))
app.add_typer(benchmarks, name="bench")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"adqhw {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass
