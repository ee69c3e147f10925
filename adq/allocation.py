"""Bits per layer under a budget: exact multiple-choice knapsack (papers.md section 7, row 13)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..spec.errors import InputError
from .resnet import ResNet

Table = Mapping[str, Mapping[int, float]]
"""``[layer][width]`` -> expected loss increase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """Chosen widths and what they come to."""

    widths: dict[str, int]
    loss: float
    """Sum of the chosen entries of the table."""
    bits: int
    """Total weight bits of the layers."""
    average: float
    """Parameter-weighted mean width (papers.md section 7, row 14)."""


@dataclass(frozen=True, slots=True)
class _State:
    """A partial choice; ``before`` chains back to the first group."""

    bits: int
    loss: float
    width: int = 0
    before: "_State | None" = None


def ties(model: ResNet) -> list[tuple[str, ...]]:
    """Groups of layers that share a width: a projection goes with the first of its block."""
    names = model.config.hidden_names()
    groups = []
    for name in names:
        block, _, role = name.rpartition(".")
        if role == "downsample":
            continue
        partner = f"{block}.downsample"
        groups.append((name, partner) if role == "conv1" and partner in names else (name,))
    return groups


def sizes(model: ResNet) -> dict[str, int]:
    """Number of weights of each hidden layer."""
    return {name: conv.weight.numel() for name, conv in model.hidden().items()}


def allocate(
    table: Table,
    weights: Mapping[str, int],
    average_bits: float,
    groups: Iterable[Sequence[str]] | None = None,
) -> Allocation:
    """Widths of least total loss with ``sum n_l * b_l <= average_bits * sum n_l``.

    Dynamic programming over the reachable budgets, exact: after each group only choices are kept
    that no cheaper choice equals in loss. Among equals the cheaper one, then the narrower first
    layer, wins, so that the result is reproducible.
    """
    chosen = [(name,) for name in table] if groups is None else [tuple(g) for g in groups]
    if sorted(name for group in chosen for name in group) != sorted(table):
        raise InputError("Groups must name every layer of the table once")
    total = sum(weights[name] for name in table)
    budget = int(average_bits * total + 1e-9)
    front = [_State(0, 0.0)]
    for group in chosen:
        count = sum(weights[name] for name in group)
        choices = sorted(set.intersection(*(set(table[name]) for name in group)))
        grown = [
            _State(
                state.bits + count * width,
                state.loss + sum(table[name][width] for name in group),
                width,
                state,
            )
            for state in front
            for width in choices
            if state.bits + count * width <= budget
        ]
        front = _pareto(grown)
    if not front:
        least = sum(weights[name] * min(table[name]) for name in table) / total
        raise InputError(
            f"Average weight bits must be at least {least:.3f} for these layers, not {average_bits}"
        )
    return _trace(front[-1], chosen, total)


def _pareto(states: list[_State]) -> list[_State]:
    """States by rising bits and falling loss, without those that another one beats."""
    front: list[_State] = []
    for state in sorted(states, key=lambda s: (s.bits, s.loss)):  # stable: first found wins a tie
        if not front or state.loss < front[-1].loss:
            front.append(state)
    return front


def _trace(state: _State, groups: list[tuple[str, ...]], total: int) -> Allocation:
    loss, bits = state.loss, state.bits
    widths: dict[str, int] = {}
    for group in reversed(groups):
        widths.update(dict.fromkeys(group, state.width))
        assert state.before is not None  # one link per group
        state = state.before
    ordered = {name: widths[name] for group in groups for name in group}
    return Allocation(widths=ordered, loss=loss, bits=bits, average=bits / total)
