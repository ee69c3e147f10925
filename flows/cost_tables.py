"""Cost of each width of each layer on the lane array: tables for the allocator.

The trainer has the losses, `cost` the costs; `adq` does not import either `cost` or this file. The
network is quantized and exported at every candidate width, all layers alike; any mixed program is
then composed of their layers and costed on one common array, with each layer's own activity.

Energy is no sum over layers: the energy of a weight bit read depends on the size of its memory,
which all layers determine. A table is therefore a linearization: a layer's row is what the whole
network costs with this layer at each width and the others as in a reference. Close to the
reference it is right to second order; `bench allocation` moves the reference to the solution.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..rtl.arch.registry import DEFAULT
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.host.files import write_file
from ..spec.host.reading import read_json
from ..spec.host.text import one_line, shown
from ..spec.program import Program
from .arrays import ArraySize, arch_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..adq.models.init import Init
    from ..adq.networks.network import Network
    from ..adq.recipes.config import Recipe
    from ..cost.estimate.estimate import Estimate
    from ..cost.events.traffic import Options
    from ..rtl.arch.arch import Arch
    from ..sim.activity import LayerActivity

KINDS = {
    "bits": "average weight bits",
    "size": "bytes",
    "energy": "nJ",
    "chip": "nJ",
    "cycles": "cycles",
}
"""Kinds of a budget and their units; energy, chip (without DRAM: the network is resident) and
cycles are of one image on the whole network."""
BUDGET_HELP = (
    "Bits per layer by an exact solver under KIND=NUMBER: bits (average), size (bytes of all "
    "weights), energy (nJ per image), chip (nJ per image without DRAM) or cycles (per image), the "
    "last three from the cost model of the array of --arch or --rows, --cols, --micro, --hold ... "
    "(16x16 decode)."
)
HELD = ("hold", "fill", "out_lanes")
PLAIN: dict[str, Any] = {"micro": DEFAULT, **dict.fromkeys(HELD, 1)}
"""Of an array's size, what is so where nothing is said."""
ACTIVITY_IMAGES = 8
"""Images on which the switching of the programs is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The array and the technology of the costs."""

    size: ArraySize = field(default_factory=ArraySize)
    """Of the narrowest array on which the network runs at every width."""
    arch: "Arch | None" = None
    """The array itself, instead of its size; the network has to run on it at every width."""
    technology: str = "literature45"
    resident: bool = False
    """The network is on chip already: no DRAM."""

    @property
    def options(self) -> "Options":
        """Assumptions of the cost model about everything but the array."""
        from ..cost.events.traffic import Options

        return Options(weights_from_dram=not self.resident)

    @property
    def title(self) -> str:
        """The array in a sentence."""
        return _array(self.size.values if self.arch is None else self.arch.to_dict())

    def check(self, arch: Mapping[str, Any], path: Path) -> None:
        """Refuse a cost table of another array than this one."""
        if self.arch is not None:
            same = dict(arch) == self.arch.to_dict()
        else:
            least = {**PLAIN, "multiply_width": arch.get("level_width")}
            wanted = {**least, **self.size.values}
            same = all(arch.get(name, least.get(name)) == x for name, x in wanted.items())
        if not same:
            raise InputError(
                f"Cost table {str(path)!r} must be of {self.title}, not of {_array(arch)}: "
                "give the array that the run began with, or another --out"
            )


def _array(values: Mapping[str, Any]) -> str:
    """`16x16 decode, hold 16, fill 8, out_lanes 4`."""
    given = {**PLAIN, **values}
    more = [f"{n} {given[n]}" for n in (*HELD, "multiply_width") if given.get(n, 1) != 1]
    return ", ".join([f"{given['rows']}x{given['cols']} {given['micro']}", *more])


def machine_of(file: Path | None, size: ArraySize) -> Machine:
    """The machine with the array of a TOML file, or with the narrowest of a given size."""
    if file is None:
        _array(size.values)  # an option that needs another is refused before the costs are made
        return Machine(size=size)
    return Machine(arch=arch_of(file, size))


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The programs of every width, and the cost of a mixture of their layers."""

    programs: dict[int, Program]
    activities: "dict[int, Mapping[str, LayerActivity]]"
    arch: "Arch"
    machine: Machine

    @property
    def hidden(self) -> list[str]:
        """Layers with a choice."""
        layers = next(iter(self.programs.values())).layers
        return [layer.name for layer in layers if layer.codebook is not None]

    def total(self, kind: str, widths: Mapping[str, int]) -> float:
        """Energy (nJ, on the costs' machine) or cycles per image of the network."""
        from ..cost.estimate.estimate import estimate
        from ..cost.estimate.model import timings_of
        from ..cost.technology import technology

        widest = max(self.programs)
        chosen = [
            self.programs[widths.get(layer.name, widest)].layer(layer.name)
            for layer in self.programs[widest].layers
        ]
        activity = {
            layer.name: self.activities[widths.get(layer.name, widest)][layer.name]
            for layer in chosen
        }
        program = replace(self.programs[widest], layers=tuple(chosen))
        timings = timings_of(self.arch, program)
        if kind not in ("energy", "chip"):
            return float(sum(timing.cycles for timing in timings.values()))
        result = estimate(
            program,
            self.arch,
            technology.priced(self.machine.technology),
            activity=activity,
            options=self.machine.options,
            timings=timings,
        )
        return result.energy.total.expected / 1e3

    def table(
        self, kind: str, reference: Mapping[str, int]
    ) -> tuple[dict[str, dict[int, float]], float]:
        """Rows [layer][width] near ``reference``, and the part that does not depend on widths.

        Every row starts at 0; their sum and the fixed part give the total.
        """
        base = self.total(kind, reference)
        changes = {
            name: {
                width: self.total(kind, {**reference, name: width}) - base
                for width in self.programs
            }
            for name in self.hidden
        }
        lowest = {name: min(row.values()) for name, row in changes.items()}
        rows = {
            name: {width: cost - lowest[name] for width, cost in row.items()}
            for name, row in changes.items()
        }
        return rows, base + sum(lowest.values())

    def write(self, path: Path, kind: str) -> None:
        """Write what `allocation_report.read_costs` reads, and the fixed part.

        The reference has the middle width everywhere.
        """
        middle = sorted(self.programs)[len(self.programs) // 2]
        table, fixed = self.table(kind, dict.fromkeys(self.hidden, middle))
        rows = {name: {str(w): cost for w, cost in row.items()} for name, row in table.items()}
        record = {"unit": KINDS[kind], "costs": rows, "fixed": fixed, "arch": self.arch.to_dict()}
        write_file(path, json.dumps(record, indent=1) + "\n")


def parse_budget(text: str) -> tuple[str, float]:
    """`energy=12.5` as kind and number."""
    kind, equals, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not equals or kind not in KINDS or not 0 < value < float("inf"):
        raise InputError(
            f"Budget must be KIND=NUMBER with KIND one of {', '.join(KINDS)}, not {shown(text)}"
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


def program_at(model: "Network", batches: "Sequence[Tensor]", widths: dict[str, int]) -> Program:
    """The program of ``model`` (float weights) quantized to some widths without training."""
    from ..adq.export.export import export
    from ..adq.networks import calibrate
    from ..adq.tensors import Mode

    model.set_mode(Mode.FLOAT)
    quantized = model.with_weight_widths(widths)
    calibrate.start_fakequant(quantized, batches)
    quantized.freeze_codebooks()
    calibrate.recalibrate_batch_norm(quantized, batches)
    return export(quantized.eval())


def costs_of(programs: dict[int, Program], images: IntArray, machine: Machine) -> Costs:
    """Costs from programs that differ in the width of their hidden layers only."""
    from ..cost.estimate.estimate import activity_on_array

    return Costs(
        programs=programs,
        activities={
            width: activity_on_array(program, images) for width, program in programs.items()
        },
        arch=common_arch(list(programs.values()), machine),
        machine=machine,
    )


def estimate_on(program: Program, images: IntArray, arch: "Arch", machine: Machine) -> "Estimate":
    """The cost model's estimate with the activity measured on some images."""
    from ..cost.estimate.estimate import estimate, measure
    from ..cost.technology import technology

    table = technology.priced(machine.technology)
    activity = measure(program, images)
    return estimate(program, arch, table, activity=activity, options=machine.options)


def common_arch(programs: Sequence[Program], machine: Machine) -> "Arch":
    """The machine's array: the narrowest of its size on which all the programs run."""
    from ..rtl.program.fit import check_storage, covering

    if machine.arch is None:
        return covering(list(programs), **{"micro": DEFAULT, **machine.size.values})
    for program in programs:
        check_storage(machine.arch, program)
    return machine.arch


def with_budget(
    recipe: "Recipe", text: str, *, data: Path | None, init: "Init | Path | None", folder: Path,
    machine: Machine | None = None,
) -> "Recipe":  # fmt: skip
    """The recipe with the budget ``KIND=NUMBER``; a cost table is written into the run's folder.

    An existing table is used: a resumed run must have the numbers it began with. machine: of the
    costs; whether it has DRAM is the kind's.
    """
    kind, value = parse_budget(text)
    quant = replace(recipe.quant, average_weight_bits=value if kind == "bits" else None, widths={})
    size = int(value) if kind == "size" else None
    allocation = replace(recipe.allocation, model_bytes=size, cost_budget=None, cost_table=None)
    if kind in ("energy", "chip", "cycles"):
        path = folder / f"costs_{kind}.json"
        machine = replace(machine or Machine(), resident=kind == "chip")
        if not path.exists():
            recipe_costs(recipe, data=data, init=init, machine=machine).write(path, kind)
        fixed = _fixed(path, machine)
        if value <= fixed:
            raise InputError(
                f"Budget must be more than the {fixed:.6g} {KINDS[kind]} of the layers without "
                f"a choice, not {value:.6g}"
            )
        allocation = replace(allocation, cost_budget=value - fixed, cost_table=str(path))
    return replace(recipe, quant=quant, allocation=allocation)


def recipe_costs(
    recipe: "Recipe",
    *,
    data: Path | None,
    init: "Init | Path | None",
    machine: Machine | None = None,
) -> Costs:
    """Cost tables of a recipe's network, quantized from float weights without training."""
    from ..adq.data import datasets
    from ..adq.models.build import build
    from ..adq.models.init import load_init
    from ..adq.training import preparation

    if init is None:
        raise InputError("Cost table must be made from float weights: pass --init FILE")
    recipe = preparation.on_device(recipe)
    training = datasets.for_recipe(recipe, "train", data).take(recipe.data.limit)
    # the widths of the recipe are the result of the search: every width is tried on all layers
    model = build(replace(recipe, quant=replace(recipe.quant, widths={})), trusted=True)
    load_init(model.to(recipe.train.device), init)
    batches = preparation.calibration_batches(recipe, training)
    programs = quantized_programs(model, batches, recipe.allocation.widths)
    return costs_of(programs, training.images[:ACTIVITY_IMAGES], machine or Machine())


def _fixed(path: Path, machine: Machine) -> float:
    try:
        record = read_json(path, "Cost table")
        fixed, arch = float(record["fixed"]), dict(record["arch"])
    except (OverflowError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Cost table must have a fixed part and an array, not {str(path)!r}: {one_line(error)}"
        ) from error
    if not abs(fixed) < float("inf"):
        raise InputError(f"Cost table must have a fixed part that is a number, not {fixed}")
    machine.check(arch, path)
    return fixed
