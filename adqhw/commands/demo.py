"""`adqhw demo`: everything, on embedded real data, in minutes."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import FAILED_CHECK, JSON_OPTION, emit, people, say, show_table
from ..flows.extras import DEMO, require_extras
from ..spec.host.locks import sole_owner
from .train import shown_training

if TYPE_CHECKING:
    from ..flows.demo import Narrator


def command(
    out: Annotated[Path, typer.Option(help="Folder for everything it makes.")] = Path("runs/demo"),
    rows: Annotated[int, typer.Option(help="Input channels per beat of the array.")] = 8,
    cols: Annotated[int, typer.Option(help="Output channels per beat of the array.")] = 8,
    simulator: Annotated[str, typer.Option(help="verilator or icarus.")] = "verilator",
    quick: Annotated[
        bool, typer.Option("--quick", help="One epoch each: tests the chain, not its figures.")
    ] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Train, quantize, export, check four engines, emit Verilog, co-simulate, estimate.

    Real data (scikit-learn's handwritten digits), no download. Leaves program.safetensors,
    verilog/, layers.csv, report.html, pareto.png and summary.json in --out.
    """
    start = time.perf_counter()
    require_extras(DEMO, "`adqhw demo`", besides=["verilator"])
    with people.status("loading torch, numba, amaranth"):
        from ..flows import demo
    settings = demo.Settings(out=out, rows=rows, cols=cols, simulator=simulator, quick=quick)
    with sole_owner(out), shown_training() as observer:
        demo.forget(out)
        summary = demo.run(settings, _narrator(observer))
    if as_json:
        emit(summary)
    else:
        _show(summary)
        say(f"wrote {out}/report.html, pareto.png, layers.csv, program.safetensors, verilog/")
        say(f"done in {time.perf_counter() - start:.0f} s")
    if not _passed(summary):
        raise typer.Exit(FAILED_CHECK)


def _narrator(observer: Any) -> "Narrator":
    from ..flows.demo import Narrator

    class Spoken(Narrator):
        def step(self, number: int, total: int, text: str) -> None:
            people.print(f"[{number}/{total}] {text}", style="bold")

        def say(self, text: str) -> None:
            people.print(f"      {text}")

        def observer(self) -> Any:
            return observer

        def cosim(self, what: str, done: int, total: int) -> None:
            observer.count({"golden": "golden", "build": "compiling"}.get(what, what), done, total)

    return Spoken()


def _passed(summary: dict[str, Any]) -> bool:
    """No differing code anywhere, and every cycle as the model says."""
    counts = summary["mismatches"]
    equal = all(counts[name] == 0 for name in ("torch_integer", "numba", "rtl"))
    return equal and all(x["cycles_rtl"] == x["cycles_model"] for x in summary["layers"])


def _show(summary: dict[str, Any]) -> None:
    accuracy = summary["accuracy"]
    from ..cost.estimate.estimate import NOT_A_MEASUREMENT

    show_table(
        f"top-1 in % (float network {accuracy['float']:.2f})",
        ("allocation", "average weight bits", "fake-quantized", "integer program"),
        [
            (name, bits, accuracy["fakequant"][name], accuracy["integer"][name])
            for name, bits in summary["average_weight_bits"].items()
        ],
    )
    show_table(
        f"layers of '{summary['program']['allocation']}' per image; energy in nJ, "
        f"{summary['technology']} (low .. high)",
        ("layer", "macs", "weight bits", "act bits", "cycles RTL", "model", "nJ", "low", "high"),
        [
            (
                x["name"],
                x["macs"],
                x["weight_width"],
                x["act_width"],
                x["cycles_rtl"],
                x["cycles_model"],
                *(x["energy_pj"][key] / 1000 for key in ("expected", "low", "high")),
            )
            for x in summary["layers"]
        ],
    )
    say(NOT_A_MEASUREMENT)
