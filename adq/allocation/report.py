"""The choice of bits per layer: made for a recipe, read back, written as JSON and as a plot."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ...spec.errors import InputError
from ...spec.host.files import write_file
from ...spec.host.pictures import canvas, drawn, png_of, shown
from ...spec.host.reading import MOST, read_json
from ...spec.host.text import one_line
from ..data.dataset import Dataset
from ..networks.network import Network
from ..recipes.config import Recipe
from ..recipes.quant_config import AllocationConfig
from . import allocation, sensitivity
from .allocation import Allocation, Table

SENSITIVITY_IMAGES = 1024
"""Enough for the Fisher information of a layer (docs/papers.md section 7, row 11)."""
FIXED_BITS = 8
"""Of the first and the last layer's weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """An allocation and the numbers it was decided by."""

    chosen: Allocation
    sensitivity: str
    table: Table
    """``[layer][width]`` -> predicted loss increase."""
    costs: Table
    weights: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the widths are the keys of text of the inner objects."""
        layers = {
            name: {
                "weights": self.weights[name],
                "width": self.chosen.widths[name],
                "predicted_loss": {str(w): loss for w, loss in row.items()},
                "cost": {str(w): self.costs[name][w] for w in row},
            }
            for name, row in self.table.items()
        }
        return {"sensitivity": self.sensitivity, **asdict(self.chosen), "layers": layers}

    def write(self, path: Path) -> None:
        """Write the JSON file."""
        write_file(path, json.dumps(self.to_json(), indent=1) + "\n")


def has_budget(recipe: Recipe) -> bool:
    """Return whether the recipe leaves the widths to the allocator."""
    return bool(_budgets(recipe)) and not recipe.quant.widths


def _budgets(recipe: Recipe) -> dict[str, float]:
    given = {
        "quant.average_weight_bits": recipe.quant.average_weight_bits,
        "allocation.model_bytes": recipe.allocation.model_bytes,
        "allocation.cost_budget": recipe.allocation.cost_budget,
    }
    return {name: value for name, value in given.items() if value is not None}


def choose(model: Network, recipe: Recipe, training: Dataset) -> Report:
    """Choose bits per hidden layer by the recipe's sensitivity and its one budget."""
    budgets, config = _budgets(recipe), recipe.allocation
    if len(budgets) != 1:
        raise InputError(f"Recipe must have one budget, not {', '.join(budgets) or 'none'}")
    device = model.device
    part = training.take(min(SENSITIVITY_IMAGES, len(training)))
    images = torch.from_numpy(part.images[:]).to(device)
    labels = torch.from_numpy(part.labels).to(device)
    table = sensitivity.sensitivities(model, images, labels, config.widths, config.sensitivity)
    weights, groups = allocation.sizes(model), allocation.ties(model)
    costs: Table = allocation.bit_costs(table, weights)
    if recipe.quant.average_weight_bits is not None:
        average = recipe.quant.average_weight_bits
        chosen = allocation.allocate(table, weights, average, groups)
    else:
        if config.model_bytes is not None:
            fixed = FIXED_BITS * allocation.fixed_weights(model)
            budget, unit = 8.0 * config.model_bytes - fixed, "bits of hidden weights"
        else:
            assert config.cost_budget is not None  # the only budget of the three that remains
            costs, unit = read_costs(config)
            budget = config.cost_budget
        chosen = allocation.allocate_cost(
            table, costs, budget, weights=weights, groups=groups, unit=unit
        )
    return Report(
        chosen=chosen, sensitivity=config.sensitivity, table=table, costs=costs, weights=weights
    )


def read_costs(config: AllocationConfig) -> tuple[Table, str]:
    """Read a cost table: ``{"unit": "pJ", "costs": {"layer1.0.conv1": {"2": 1.5, ...}}}``."""
    path = config.cost_table
    if path is None:
        raise InputError("allocation.cost_table must name a JSON file for a cost budget, not none")
    record = read_json(path, "Cost table")
    try:
        costs = {
            name: {int(width): float(cost) for width, cost in row.items()}
            for name, row in record["costs"].items()
        }
        if not all(0 <= width <= 64 for row in costs.values() for width in row):
            raise ValueError("bits out of 0..64")
        if not all(abs(cost) <= MOST for row in costs.values() for cost in row.values()):
            raise ValueError(f"a cost beyond {MOST:g}")
        return costs, str(record["unit"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f'Cost table {path!r} must be {{"unit": TEXT, "costs": {{LAYER: {{BITS: NUMBER}}}}}}, '
            f"not a file that fails with {one_line(error)}"
        ) from error


def plot(report: Report, path: Path) -> bool:
    """Draw bits and predicted loss per layer; False, and a warning, where that fails."""
    png = drawn(path.name, lambda: _picture(report))
    if png is None:
        return False
    write_file(path, png)
    return True


def _picture(report: Report) -> bytes:
    names, chosen = [shown(name) for name in report.table], report.chosen
    with canvas(max(6.0, 0.4 * len(names)), 5.5) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        above.bar(names, [chosen.widths[n] for n in report.table], color="tab:blue")
        above.set_ylabel("weight bits")
        above.set_title(
            f"{chosen.average:.3f} average bits, predicted loss {chosen.loss:.4g}, "
            f"{chosen.cost:.6g} of {chosen.budget:.6g} {shown(chosen.unit)}"
        )
        for width in sorted(next(iter(report.table.values()))):
            losses = [row[width] for row in report.table.values()]
            below.plot(names, losses, ".-", label=f"{width} bits")
        below.set_yscale("symlog", linthresh=1e-6)
        below.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # else a number is a formula
        below.set_ylabel(f"predicted loss ({report.sensitivity})")
        below.tick_params(axis="x", rotation=90)
        below.legend()
        return png_of(figure)
