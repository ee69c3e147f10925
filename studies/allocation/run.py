"""Budgets in energy against budgets in average bits: allocations, programs, costs.

Both are solved exactly for the same sensitivities. Each average-bit allocation is costed; then the
energy budget is a share of that energy. Measured are top-1 of the
integer programs, over seeds, and the energy that the cost model gives each of them.
"""

import hashlib
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...cost.sweep.store import Store
from ...flows.cost_tables import (
    Costs,
    Machine,
    costs_of,
    estimate_on,
    program_at,
    quantized_programs,
)
from ...spec.errors import InputError
from ..ablation.run import Sources, kept_or_none, measure, train_briefly

if TYPE_CHECKING:
    from ...adq.allocation.allocation import Allocation
    from ...adq.data.dataset import Dataset
    from ...adq.recipes.config import Recipe
    from ...spec.program import Program

AVERAGES = (2.25, 2.5, 2.81, 3.25)
SHARES = (0.98,)
"""Energy budgets, as shares of the average-bit allocation's energy."""
ROUNDS = 6
"""Most linearizations of the energy; two or three suffice on ResNet-20."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The comparison, and its amount of training."""

    recipe: "Recipe"
    sources: Sources
    averages: tuple[float, ...] = AVERAGES
    seeds: int = 3
    epochs: int = 0
    """0: quantized from the float weights without training (batch-norm statistics renewed)."""
    machine: Machine = field(default_factory=Machine)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One allocation: its budget, cost and accuracy."""

    average: float
    """The average-bit budget it belongs to."""
    rule: str
    widths: dict[str, int]
    bits: float
    predicted_loss: float
    energy_nj: float
    """Of the programs by the cost model, mean over seeds, whole network, one image."""
    energy_low_nj: float
    energy_high_nj: float
    cycles: float
    top1: tuple[float, ...]
    """Percent of the test split by seed, integer program."""


def run(plan: Plan, tell: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Allocate, quantize (and train) and measure; an average-bit row, then its energy rows."""
    from ...adq.allocation.allocation import sizes, ties
    from ...adq.allocation.report import SENSITIVITY_IMAGES
    from ...adq.allocation.sensitivity import sensitivities
    from ...adq.data import datasets
    from ...adq.models.build import build
    from ...adq.models.init import load_init
    from ...adq.training import preparation

    recipe = preparation.on_device(plan.recipe)
    training = datasets.for_recipe(recipe, "train", plan.sources.data).take(recipe.data.limit)
    model = build(recipe)
    load_init(model, plan.sources.init)
    tell("sensitivity of layers")
    images, labels = _tensors(training.take(min(SENSITIVITY_IMAGES, len(training))))
    widths = recipe.allocation.widths
    table = sensitivities(model, images, labels, widths, recipe.allocation.sensitivity)
    tell("cost of every width of every layer")
    batches = preparation.calibration_batches(recipe, training)
    costs = costs_of(quantized_programs(model, batches, widths), training.images[:8], plan.machine)
    rows = []
    for average, rule, chosen in _allocations(table, sizes(model), ties(model), costs, plan):
        tell(f"average {average:g}, {rule}: {chosen.average:.3f} bits")
        rows.append(_measured(plan, average, rule, chosen, costs))
    return rows


def _tensors(part: "Dataset") -> tuple[Any, Any]:
    import torch

    return torch.from_numpy(part.images[:]), torch.from_numpy(part.labels)


def _allocations(
    table: Any, sizes: dict[str, int], groups: Any, costs: Costs, plan: Plan
) -> list[tuple[float, str, "Allocation"]]:
    from ...adq.allocation.allocation import allocate

    found = []
    for average in plan.averages:
        by_bits = allocate(table, sizes, average, groups)
        found.append((average, "average bits", by_bits))
        energy = costs.total("energy", by_bits.widths)
        for share in SHARES:
            chosen = within(table, sizes, groups, costs, (share * energy, by_bits.widths))
            found.append((average, f"energy <= {share:g} of it", chosen))
    return found


def within(
    table: Any,
    sizes: dict[str, int],
    groups: Any,
    costs: Costs,
    start: tuple[float, dict[str, int]],
) -> "Allocation":
    """The best allocation with at most an energy (nJ), searched from the given widths.

    Each round is solved exactly for costs linearized at the last solution. A solution over the
    budget (the linearization erred) makes the next round stricter.
    """
    from ...adq.allocation.allocation import allocate_cost

    energy, reference = start
    limit, best = energy, None
    for _ in range(ROUNDS):
        rows, fixed = costs.table("energy", reference)
        chosen = allocate_cost(
            table, rows, limit - fixed, weights=sizes, groups=groups, unit="nJ over the least"
        )
        total = costs.total("energy", chosen.widths)
        if total <= energy and (best is None or chosen.loss < best.loss):
            best = chosen
        if total <= energy and chosen.widths == reference:
            break
        limit -= max(0.0, total - energy)
        reference = chosen.widths
    if best is None:
        raise InputError(f"Budget must be reachable in {ROUNDS} rounds, not {energy:.6g} nJ")
    return best


def _measured(plan: Plan, average: float, rule: str, chosen: "Allocation", costs: Costs) -> Row:
    found = [_one(plan, chosen.widths, seed, costs) for seed in range(plan.seeds)]
    return Row(
        average=average,
        rule=rule,
        widths=chosen.widths,
        bits=chosen.average,
        predicted_loss=chosen.loss,
        **{
            key: statistics.fmean(f[key] for f in found)
            for key in ("energy_nj", "energy_low_nj", "energy_high_nj", "cycles")
        },
        top1=tuple(f["top1"] for f in found),
    )


def _one(plan: Plan, widths: dict[str, int], seed: int, costs: Costs) -> dict[str, float]:
    """Figures of one network: kept from an earlier run, or computed."""
    recipe = replace(
        plan.recipe,
        quant=replace(plan.recipe.quant, widths=widths, average_weight_bits=None),
        train=replace(plan.recipe.train, seed=seed, epochs=max(1, plan.epochs)),
    )
    parts = [plan.sources.key(recipe), asdict(plan.machine), costs.arch.to_dict(), plan.epochs]
    text = json.dumps(parts, sort_keys=True, default=str)
    key = f"alloc-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    store = Store(plan.sources.keep)
    kept = kept_or_none(store, key)
    if kept is not None:
        return kept
    program, top1 = _program(plan, recipe)
    test = _test(plan, recipe)
    result = estimate_on(program, test.images[:8], costs.arch, plan.machine)
    energy = result.energy.total
    record = {
        "top1": top1,
        "energy_nj": energy.expected / 1e3,
        "energy_low_nj": energy.low / 1e3,
        "energy_high_nj": energy.high / 1e3,
        "cycles": float(result.cycles + result.input_cycles),
    }
    store.put(key, record)
    return record


def _program(plan: Plan, recipe: "Recipe") -> "tuple[Program, float]":
    from ...adq.data import datasets
    from ...adq.export.export import export
    from ...adq.models.build import build
    from ...adq.models.init import load_init
    from ...adq.training import preparation
    from ...flows.engines import run_in_steps, top1

    if plan.epochs:
        model = train_briefly(recipe, plan.sources)
        found = measure(model, recipe, plan.sources, exports=True, graph=False)
        assert found.integer is not None  # it exports
        return export(model.eval()), found.integer
    plain = replace(recipe, quant=replace(recipe.quant, widths={}))
    model = build(plain)
    load_init(model, plan.sources.init)
    training = datasets.for_recipe(recipe, "train", plan.sources.data).take(recipe.data.limit)
    batches = preparation.calibration_batches(recipe, training)
    program = program_at(model, batches, recipe.quant.widths)
    test = _test(plan, recipe)
    return program, top1(run_in_steps("numba", program, test.images[:]).logits, test.labels)


def _test(plan: Plan, recipe: "Recipe") -> "Dataset":
    from ...adq.data import datasets

    return datasets.for_recipe(recipe, "test", plan.sources.data)
