"""What each width of each layer costs on the lane array: tables for the allocator.

The trainer knows losses, `cosim` knows costs; this is where they meet (`adq` never imports it). The
network is quantized and exported at every candidate width, all layers alike, and each program is
costed on one common array; a layer's row is what it costs in those programs. Costs of a mixed
program are the sum of its rows but for the memory's size, which every bit read pays for: what the
allocator predicts and what the mixed program is estimated at are both reported.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .spec.errors import InputError
from .spec.files import atomic_path
from .spec.formats import IntArray
from .spec.program import Program

if TYPE_CHECKING:
    from torch import Tensor

    from .adq.config import Recipe
    from .adq.network import Network
    from .cosim.estimate import Estimate
    from .rtl.arch import Arch

KINDS = {"bits": "average weight bits", "size": "bytes", "energy": "nJ", "cycles": "cycles"}
"""Kinds of a budget and their units; energy and cycles are of one image on the whole network."""
BUDGET_HELP = (
    "Bits per layer by an exact solver under KIND=NUMBER: bits (average), size (bytes of all "
    "weights), energy (nJ per image) or cycles (per image), the last two from the cost model of "
    "a 16x16 decode array."
)
ACTIVITY_IMAGES = 8
"""Images on which the switching of the programs is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The array and the technology that the costs are of."""

    rows: int = 16
    cols: int = 16
    technology: str = "literature45"
    resident: bool = False
    """The network is on chip already: no DRAM."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Costs per image: of the layers with a choice, and what all the others cost anyway."""

    energy: dict[str, dict[int, float]]
    """nJ: [layer][width]."""
    cycles: dict[str, dict[int, float]]
    fixed_energy: float
    fixed_cycles: float
    arch: "Arch"

    def table(self, kind: str) -> tuple[dict[str, dict[int, float]], float]:
        """Rows of one kind (energy or cycles), and the fixed part."""
        if kind == "energy":
            return self.energy, self.fixed_energy
        return self.cycles, self.fixed_cycles

    def write(self, path: Path, kind: str) -> None:
        """Write what `allocation_report.read_costs` reads, and the fixed part."""
        table, fixed = self.table(kind)
        rows = {name: {str(w): cost for w, cost in row.items()} for name, row in table.items()}
        record = {"unit": KINDS[kind], "costs": rows, "fixed": fixed, "arch": self.arch.to_dict()}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")


def parse_budget(text: str) -> tuple[str, float]:
    """`energy=12.5` as kind and number."""
    kind, equals, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not equals or kind not in KINDS or not 0 < value < float("inf"):
        raise InputError(
            f"Budget must be KIND=NUMBER with KIND one of {', '.join(KINDS)}, not {text!r}"
        )
    return kind, value


def quantized_programs(
    model: "Network", batches: "Sequence[Tensor]", widths: Sequence[int]
) -> dict[int, Program]:
    """A program per width: all hidden layers of ``model`` (float weights) quantized to it."""
    return {
        width: program_at(model, batches, dict.fromkeys(model.config.hidden_names(), width))
        for width in widths
    }


def program_at(
    model: "Network", batches: "Sequence[Tensor]", widths: dict[str, int]
) -> Program:
    """The program of ``model`` (float weights) quantized to some widths without training."""
    from .adq import calibrate
    from .adq.export import export
    from .adq.tensors import Mode

    model.set_mode(Mode.FLOAT)
    quantized = model.with_weight_widths(widths)
    calibrate.start_fakequant(quantized, batches)
    quantized.freeze_codebooks()
    calibrate.recalibrate_batch_norm(quantized, batches)
    return export(quantized.eval())


def costs_of(programs: dict[int, Program], images: IntArray, machine: Machine) -> Costs:
    """Cost tables from programs that differ in the width of their hidden layers only."""
    arch = common_arch(list(programs.values()), machine)
    found = {w: estimate_on(p, images, arch, machine) for w, p in programs.items()}
    hidden = [
        layer.name
        for layer in next(iter(programs.values())).layers
        if getattr(layer, "codebook", None) is not None
    ]
    rows: dict[str, dict[str, dict[int, float]]] = {"energy": {}, "cycles": {}}
    for name in hidden:
        layers = {w: next(x for x in e.layers if x.name == name) for w, e in found.items()}
        rows["energy"][name] = {w: x.energy.total.expected / 1e3 for w, x in layers.items()}
        rows["cycles"][name] = {w: float(x.events.cycles) for w, x in layers.items()}
    widest = found[max(found)]
    others = [layer for layer in widest.layers if layer.name not in hidden]
    return Costs(
        energy=rows["energy"],
        cycles=rows["cycles"],
        fixed_energy=sum(layer.energy.total.expected for layer in others) / 1e3,
        fixed_cycles=float(sum(layer.events.cycles for layer in others) + widest.input_cycles),
        arch=arch,
    )


def estimate_on(
    program: Program, images: IntArray, arch: "Arch", machine: Machine
) -> "Estimate":
    """The cost model's estimate with the activity measured on some images."""
    from .cosim import technology
    from .cosim.estimate import estimate, measure
    from .cosim.traffic import Options

    options = Options(weights_from_dram=not machine.resident)
    table = technology.load(machine.technology)
    return estimate(program, arch, table, activity=measure(program, images), options=options)


def common_arch(programs: Sequence[Program], machine: Machine) -> "Arch":
    """The narrowest array on which all the programs run."""
    from .rtl.arch import Arch

    arches = [Arch.for_program(p, rows=machine.rows, cols=machine.cols) for p in programs]
    return _widest(arches)


def _widest(parts: Sequence[Any]) -> Any:
    """The dataclass with the largest of every number; texts are alike in all of them."""
    chosen = {}
    for field in fields(parts[0]):
        values = [getattr(part, field.name) for part in parts]
        if is_dataclass(values[0]):
            chosen[field.name] = _widest(values)
        elif isinstance(values[0], int):
            chosen[field.name] = max(values)
    return replace(parts[0], **chosen)


def with_budget(
    recipe: "Recipe", text: str, *, data: Path | None, init: Path | None, folder: Path
) -> "Recipe":
    """The recipe with the budget ``KIND=NUMBER``; a cost table is written into the run's folder.

    A table that is there already is taken: a resumed run must see the numbers it began with.
    """
    kind, value = parse_budget(text)
    quant = replace(recipe.quant, average_weight_bits=value if kind == "bits" else None, widths={})
    size = int(value) if kind == "size" else None
    allocation = replace(recipe.allocation, model_bytes=size, cost_budget=None, cost_table=None)
    if kind in ("energy", "cycles"):
        path = folder / f"costs_{kind}.json"
        if not path.exists():
            recipe_costs(recipe, data=data, init=init).write(path, kind)
        fixed = _fixed(path)
        if value <= fixed:
            raise InputError(
                f"Budget must be more than the {fixed:.6g} {KINDS[kind]} of the layers without "
                f"a choice, not {value:.6g}"
            )
        allocation = replace(allocation, cost_budget=value - fixed, cost_table=str(path))
    return replace(recipe, quant=quant, allocation=allocation)


def recipe_costs(
    recipe: "Recipe", *, data: Path | None, init: Path | None, machine: Machine | None = None
) -> Costs:
    """Cost tables of a recipe's network, quantized from float weights without training."""
    from .adq import datasets, preparation

    if init is None:
        raise InputError("Cost table must be made from float weights: pass --init FILE")
    recipe = preparation.on_device(recipe)
    training = datasets.for_recipe(recipe, "train", data).take(recipe.data.limit)
    # the widths of the recipe are what is to be found: every width is tried on all layers
    model = preparation.build(replace(recipe, quant=replace(recipe.quant, widths={})))
    preparation.load_init(model.to(recipe.train.device), init)
    batches = preparation.calibration_batches(recipe, training)
    programs = quantized_programs(model, batches, recipe.allocation.widths)
    return costs_of(programs, training.images[:ACTIVITY_IMAGES], machine or Machine())


def _fixed(path: Path) -> float:
    try:
        return float(json.loads(path.read_text())["fixed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"Cost table must have a fixed part, not {str(path)!r}: {error}") from error
