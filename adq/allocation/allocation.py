"""Bits per layer under a budget: exact multiple-choice knapsack (docs/papers.md 7, row 13)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...spec.errors import InputError
from ..networks.network import Network

Table = Mapping[str, Mapping[int, float]]
"""``[layer][width]`` -> expected loss increase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """Chosen widths, their loss and their cost."""

    widths: dict[str, int]
    loss: float
    """Sum of the chosen entries of the table."""
    bits: int
    """Total weight bits of the layers."""
    average: float
    """Parameter-weighted mean width (docs/papers.md section 7, row 14)."""
    cost: float
    """Total cost, at most ``budget``, both in ``unit``."""
    budget: float
    unit: str


@dataclass(frozen=True, slots=True)
class _State:
    """A partial choice; ``before`` chains back to the first group."""

    cost: float
    loss: float
    width: int = 0
    before: "_State | None" = None


def ties(model: Network) -> list[tuple[str, ...]]:
    """Groups of layers that share a width: a projection goes with the first of its block."""
    names = model.config.hidden_names()
    groups: list[tuple[str, ...]] = []
    for name in names:
        block, _, role = name.rpartition(".")
        if role == "downsample":
            continue
        partner = f"{block}.downsample"
        groups.append((name, partner) if role == "conv1" and partner in names else (name,))
    return groups


def fixed_weights(model: Network) -> int:
    """Number of weights of the layers that have no codebook: the first and the last."""
    return sum(node.weights for node in model.nodes if not node.coded)


def sizes(model: Network) -> dict[str, int]:
    """Number of weights of each hidden layer."""
    return {name: conv.weight.numel() for name, conv in model.hidden().items()}


def allocate(
    table: Table,
    weights: Mapping[str, int],
    average_bits: float,
    groups: Iterable[Sequence[str]] | None = None,
) -> Allocation:
    """Widths of least total loss with ``sum n_l * b_l <= average_bits * sum n_l``."""
    total = sum(weights[name] for name in table)
    try:
        return allocate_cost(
            table,
            bit_costs(table, weights),
            int(average_bits * total + 1e-9),
            weights=weights,
            groups=groups,
        )
    except BudgetError as error:
        raise InputError(
            f"Average weight bits must be at least {error.least / total:.3f} for these layers, "
            f"not {average_bits}"
        ) from error


class BudgetError(InputError):
    """A budget below the cheapest choice, which is ``least``."""

    def __init__(self, unit: str, least: float, budget: float) -> None:
        super().__init__(
            f"Budget must be at least {least:.6g} {unit} for these layers, not {budget:.6g}"
        )
        self.least = least


def bit_costs(table: Table, weights: Mapping[str, int]) -> dict[str, dict[int, float]]:
    """Cost table of the weight memory in bits: ``n_l * b``."""
    return {n: {width: weights[n] * width for width in row} for n, row in table.items()}


def allocate_cost(
    table: Table,
    costs: Table,
    budget: float,
    *,
    weights: Mapping[str, int],
    groups: Iterable[Sequence[str]] | None = None,
    unit: str = "bits",
) -> Allocation:
    """Widths of least total loss whose additive cost (bits, pJ, cycles) stays within ``budget``.

    Exact (Nemhauser and Ullmann, 1969): after each group only choices remain that no cheaper
    choice equals in loss. Among equals the cheaper one, then the narrower first layer, wins, so
    that the result is reproducible.
    """
    singles = ((name,) for name in table)
    chosen = [tuple(group) for group in (singles if groups is None else groups)]
    if sorted(name for group in chosen for name in group) != sorted(table):
        raise InputError("Groups must name every layer of the table once")
    _check_costs(table, costs)
    slack = budget + 1e-9 * abs(budget)  # sums of floats in different orders
    front = [_State(0.0, 0.0)]
    for group in chosen:
        choices = sorted(set.intersection(*(set(table[name]) for name in group)))
        grown = [
            _State(
                state.cost + sum(costs[name][width] for name in group),
                state.loss + sum(table[name][width] for name in group),
                width,
                state,
            )
            for state in front
            for width in choices
        ]
        front = _pareto([state for state in grown if state.cost <= slack])
    if not front:
        least = sum(_cheapest(group, table, costs) for group in chosen)
        raise BudgetError(unit, least, budget)
    return _trace(front[-1], chosen, weights, (budget, unit))


def _cheapest(group: Sequence[str], table: Table, costs: Table) -> float:
    choices = set.intersection(*(set(table[name]) for name in group))
    return min(sum(costs[name][width] for name in group) for width in choices)


def _check_costs(table: Table, costs: Table) -> None:
    for name, row in table.items():
        for width in row:
            cost = costs.get(name, {}).get(width)
            if cost is None or not math.isfinite(cost) or cost < 0:
                raise InputError(
                    f"Cost of layer {name!r} at {width} bits must be a number >= 0, not {cost}"
                )


def _pareto(states: list[_State]) -> list[_State]:
    """States by rising cost and falling loss, without those that another one dominates."""
    front: list[_State] = []
    for state in sorted(states, key=lambda s: (s.cost, s.loss)):  # stable: of equals the first wins
        if not front or state.loss < front[-1].loss:
            front.append(state)
    return front


def _trace(
    state: _State,
    groups: list[tuple[str, ...]],
    weights: Mapping[str, int],
    limit: tuple[float, str],
) -> Allocation:
    loss, cost = state.loss, state.cost
    widths: dict[str, int] = {}
    for group in reversed(groups):
        widths.update(dict.fromkeys(group, state.width))
        assert state.before is not None  # one link per group
        state = state.before
    ordered = {name: widths[name] for group in groups for name in group}
    bits = sum(weights[name] * width for name, width in ordered.items())
    return Allocation(
        widths=ordered,
        loss=loss,
        bits=bits,
        average=bits / sum(weights[name] for name in ordered),
        cost=cost,
        budget=limit[0],
        unit=limit[1],
    )
