"""The demo: the whole chain on real handwritten digits, in minutes.

float training -> ADQ at several allocations -> integer programs -> four engines compared ->
Verilog -> co-simulation -> energy -> bits/energy/accuracy plot. Nothing is downloaded.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..adq.data import datasets
from ..adq.export.compare import run_modules
from ..adq.export.export import export
from ..adq.models.build import build
from ..adq.networks.network import Network
from ..adq.recipes import recipes
from ..adq.recipes.config import Recipe
from ..adq.recipes.quant_config import QuantConfig
from ..adq.runs.checkpoint import load as load_checkpoint
from ..adq.training import evaluate, trainer
from ..cosim.compare.cosimulate import CosimReport
from ..cosim.compare.network_cosim import cosimulate_network
from ..cost.report.page import write_fronts
from ..cost.report.report import write_tables
from ..cost.sweep.designs import Design, Grid, Workload
from ..cost.sweep.sweeping import sweep
from ..cost.technology import technology
from ..rtl.arch.registry import DEFAULT
from ..rtl.program.fit import narrowest
from ..rtl.verilog import emit_verilog
from ..sim import engine as numba_engine
from ..sim.activity import activity
from ..spec import golden
from ..spec.engines import Result
from ..spec.host.files import write_file
from ..spec.program import Program
from ..spec.program_file import save
from .demo_page import write_explorer

ALLOCATIONS: dict[str, dict[str, Any]] = {
    "w4": {"weight_width": 4},
    "w3": {"weight_width": 3},
    "w2": {"weight_width": 2},
    "mixed": {"average_weight_bits": 2.81},
}
"""Weight bits of the hidden layers; `mixed` has the paper's average, chosen by sensitivity."""

SHIPPED = "mixed"
"""The allocation that becomes program.safetensors, Verilog and the co-simulation."""

COMPARED_IMAGES = 64
"""Test images whose every code is compared between golden, torch integer mode and Numba."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the user."""

    out: Path
    rows: int = 8
    cols: int = 8
    simulator: str = "verilator"
    cosim_images: int = 8
    technology: str = "literature45"
    quick: bool = False
    """One epoch each: for tests of the chain, not for its figures."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """One allocation: its program and top-1 (percent, test split) before and after export."""

    name: str
    program: Program
    model: Network
    fakequant: float
    integer: float


class Narrator:
    """Observer of the demo, for the command's output."""

    def step(self, number: int, total: int, text: str) -> None:
        """A step begins."""

    def say(self, text: str) -> None:
        """A result, as text."""

    def observer(self) -> trainer.Observer:
        """The observer of a training run."""
        return trainer.Observer()

    def cosim(self, what: str, done: int, total: int) -> None:
        """Progress of the co-simulation."""


STEPS = 5
TITLE = "adqhw demo: handwritten digits, ResNet-8"


def run(settings: Settings, narrator: Narrator | None = None) -> dict[str, Any]:
    """Run all steps, write the files into `settings.out`, return the content of summary.json."""
    tell = narrator or Narrator()
    out = settings.out
    out.mkdir(parents=True, exist_ok=True)
    test = datasets.load("digits", "test")

    tell.step(1, STEPS, "train a small ResNet on handwritten digits in floating point")
    float_top1 = train_float(settings, tell)
    tell.say(f"float: {float_top1:.2f} % of {len(test)} test images")

    tell.step(2, STEPS, "ADQ: learned codebooks and thresholds, then integers only")
    trained = [train_allocation(name, settings, tell) for name in ALLOCATIONS]
    shipped = next(item for item in trained if item.name == SHIPPED)
    save(shipped.program, out / "program.safetensors")

    tell.step(3, STEPS, "compare the engines with the golden interpreter, code for code")
    images = test.images[:COMPARED_IMAGES]
    mismatches = compare_engines(trained, images)
    tell.say(describe_mismatches(mismatches))

    tell.step(4, STEPS, f"emit Verilog ({settings.rows}x{settings.cols} lanes) and co-simulate it")
    arch = narrowest(shipped.program, rows=settings.rows, cols=settings.cols)
    emit_verilog(arch, out / "verilog", shipped.program)
    report = cosimulate_network(
        shipped.program,
        test.images[: settings.cosim_images],
        arch,
        settings.simulator,
        build_dir=out / "build",
        failures=out / "failures",
        progress=tell.cosim,
    )
    mismatches |= {"rtl": report.mismatches, "rtl_compared": report.compared}
    tell.say(f"RTL: {report.mismatches} mismatches in {report.compared:,} codes")

    tell.step(5, STEPS, "estimate energy and draw bits against energy and accuracy")
    designs = estimate_costs(settings, trained, test.images[:])
    records = {SHIPPED: report.to_dict()}
    write_tables(out, designs, cosim=records)
    summary = {
        "accuracy": {
            "float": float_top1,
            "fakequant": {item.name: item.fakequant for item in trained},
            "integer": {item.name: item.integer for item in trained},
        },
        "average_weight_bits": {t.name: t.program.average_weight_bits for t in trained},
        "mismatches": mismatches,
        "program": {"allocation": SHIPPED, "digest": shipped.program.digest},
        "arch": arch.to_dict(),
        "technology": settings.technology,
        "layers": shipped_layers(designs, report),
        "simulator": report.simulator,
    }
    write_file(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    write_fronts(out, designs)
    write_explorer(
        out / "report.html",
        {out / "programs" / f"{t.name}.safetensors": (t.program, t.integer) for t in trained},
        settings.technology,
        shipped=(SHIPPED, arch, report),
        title=TITLE,
    )
    return summary


def train_float(settings: Settings, tell: Narrator) -> float:
    """Train the float network; return its test top-1."""
    recipe = shortened(recipes.get("digits_resnet8_float"), settings)
    folder = settings.out / "float"
    final = trainer.train(recipe, folder, existing="replace", observer=tell.observer())
    return float(final["test_top1"])


def train_allocation(name: str, settings: Settings, tell: Narrator) -> Trained:
    """ADQ from the float weights, exported and saved as `programs/NAME.safetensors`."""
    recipe = shortened(recipes.get("digits_resnet8_adq"), settings)
    quant = QuantConfig(**{**_fields(recipe.quant), **ALLOCATIONS[name]})
    recipe = dataclasses.replace(recipe, quant=quant)
    folder = settings.out / name
    final = trainer.train(
        recipe,
        folder,
        init=settings.out / "float" / "checkpoint.safetensors",
        existing="replace",
        observer=tell.observer(),
    )
    state = load_checkpoint(folder / "checkpoint.safetensors")
    model = build(state.recipe)
    model.load_state_dict(state.model)
    test = datasets.load("digits", "test")
    provenance = {"dataset": "digits", "recipe": recipe.name, "allocation": name}
    program = export(model, provenance=provenance)
    integer = evaluate.top1(numba_engine.run(program, test.images).logits, test.labels)
    accuracy = {"fakequant": final["test_top1"], "integer": integer}
    program = dataclasses.replace(program, provenance={**program.provenance, "accuracy": accuracy})
    save(program, settings.out / "programs" / f"{name}.safetensors")
    tell.say(
        f"{name}: {program.average_weight_bits:.2f} average weight bits, "
        f"fake-quantized {final['test_top1']:.2f} %, integer {integer:.2f} %"
    )
    return Trained(
        name=name, program=program, model=model, fakequant=final["test_top1"], integer=integer
    )


def compare_engines(trained: list[Trained], images: np.ndarray) -> dict[str, int]:
    """Differing codes, over all tensors of all programs, of each engine against golden."""
    engines: dict[str, Callable[[Trained], Result]] = {
        "torch_integer": lambda item: run_modules(item.model, item.program, images),
        "numba": lambda item: numba_engine.run(item.program, images, "all"),
    }
    counts = dict.fromkeys((key for e in engines for key in (e, f"{e}_compared")), 0)
    for item in trained:
        expected = golden.run(item.program, images, "all")
        for name, run_engine in engines.items():
            actual = run_engine(item)
            for tensor, codes in expected.tensors.items():
                counts[name] += int(np.count_nonzero(actual.tensors[tensor] != codes))
                counts[f"{name}_compared"] += codes.size
    return counts


def describe_mismatches(counts: dict[str, int]) -> str:
    """`numba: 0 of 1,234 codes differ; ...`"""
    names = [name for name in counts if not name.endswith("_compared")]
    return "; ".join(
        f"{name}: {counts[name]} of {counts[f'{name}_compared']:,} codes differ" for name in names
    )


def estimate_costs(settings: Settings, trained: list[Trained], images: np.ndarray) -> list[Design]:
    """Every program on the array, look-up and uniform."""
    workloads = [
        Workload(
            name=item.name,
            program=item.program,
            activity=activity(item.program, images),
            accuracy=item.integer,
            accuracy_source=f"evaluated on {len(images)} images",
            accuracy_images=len(images),
        )
        for item in trained
    ]
    grid = Grid(
        arrays=((settings.rows, settings.cols),),
        technologies=(technology.priced(settings.technology),),
    )
    return sweep(workloads, grid)


def shipped_layers(designs: list[Design], report: CosimReport) -> list[dict[str, Any]]:
    """The shipped program's layers for summary.json: energies beside co-simulated cycles."""
    design = next(
        d for d in designs if d.workload.name == SHIPPED and d.estimate.arch.micro == DEFAULT
    )
    measured = {layer.name: layer for layer in report.layers}
    layers = []
    for layer in design.estimate.layers:
        cells = layer.to_dict()
        rtl = measured[layer.name]
        keys = ("name", "kind", "macs", "weight_width", "act_width", "energy_pj")
        layers.append(
            {key: cells[key] for key in keys}
            | {"cycles_rtl": rtl.cycles_rtl, "cycles_model": rtl.cycles_model}
            | {"compared": rtl.compared, "mismatches": rtl.mismatches}
        )
    return layers


def shortened(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe, of one epoch when `quick`."""
    if not settings.quick:
        return recipe
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, epochs=1))


def forget(folder: Path) -> None:
    """Remove files of a previous demo that this one does not overwrite."""
    for name in ("verilog", "failures"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _fields(config: QuantConfig) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
