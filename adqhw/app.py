"""The command line: `adqhw COMMAND --help` teaches each command."""

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
    add_completion=False,
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
):
    name = module.__name__.rsplit(".", 1)[-1].rstrip("_").replace("_", "-")
    app.command(name)(guarded(module.command))


benchmarks = typer.Typer(
    help="Measurements side by side with other tools or settings, in one run.",
    no_args_is_help=True,
)
benchmarks.command("sim")(guarded(bench.command))
benchmarks.command("cosim")(guarded(bench_rtl.cosim))
benchmarks.command("shapes")(guarded(bench_rtl.shapes))
benchmarks.command("synth")(guarded(bench_rtl.synth))
benchmarks.command("timing")(guarded(bench_timing.command))
benchmarks.command("gates")(guarded(bench_gates.command))
benchmarks.command("model")(guarded(bench_model.command))
benchmarks.command("place")(guarded(bench_place.command))
benchmarks.command("bars")(guarded(bench_bars.command))
benchmarks.command("budgets")(guarded(bench_budgets.command))
benchmarks.command("verdict")(guarded(bench_verdict.command))
benchmarks.command("utilization")(guarded(bench_utilization.command))
benchmarks.command("cards")(guarded(bench_cards.command))
benchmarks.command("dataflow")(guarded(bench_dataflow.command))
benchmarks.command("entropy")(guarded(bench_entropy.command))
benchmarks.command("estimate")(guarded(bench_estimate.command))
benchmarks.command("ablation")(guarded(bench_ablation.command))
benchmarks.command("steps")(guarded(bench_steps.command))
benchmarks.command("allocation")(guarded(bench_allocation.command))
benchmarks.command("train")(guarded(bench_train.command))
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
