"""Checks of what a resumed run reads beside the network."""

import math
from typing import Any

from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.text import shown
from ..networks.network import Network
from ..networks.state_check import check_numbers
from ..runs.checkpoint import Checkpoint
from .average import averaged_names
from .optimizers import ADAM


def check_buffers(state: Checkpoint, model: Network, what: str) -> None:
    """Refuse optimizer state and averages that are not those of the network's tensors."""
    own = {name: tensor.detach() for name, tensor in model.named_parameters()}
    _check(state.momentum, own, f"{what} momentum")
    averages = {}
    for name, tensor in state.extra.items():
        kind, _, parameter = name.partition(".")
        if kind == "average":
            averages[parameter] = tensor
        elif kind not in ADAM or parameter not in own:
            raise InputError(f"{what} must not have a tensor {shown(f'extra.{name}')}")
        elif kind == "step":
            good = tensor.is_floating_point() and tensor.numel() == 1 and bool(tensor >= 0)
            if not good:
                raise InputError(f"{what} tensor {shown(f'extra.{name}')} must be a count")
        else:
            _check({parameter: tensor}, own, f"{what} {kind}")
    if state.recipe.optim.average:
        whole = model.state_dict()
        averaged = {name: whole[name] for name in averaged_names(model)}
        missing = sorted(set(averaged) - set(averages))
        if missing:
            raise InputError(f"{what} must have an average of {shown(missing[0])}")
        _check(averages, averaged, f"{what} average")
        check_numbers(averages, f"{what} average")


def _check(state: dict[str, Tensor], own: dict[str, Tensor], what: str) -> None:
    for name, tensor in state.items():
        if name not in own:
            raise InputError(f"{what} must be of a parameter, not of {shown(name)}")
        if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
            raise InputError(
                f"{what} of {shown(name)} must be {own[name].dtype} "
                f"{tuple(own[name].shape)}, not {tensor.dtype} {tuple(tensor.shape)}"
            )


def check_metrics(state: Checkpoint, what: str) -> None:
    """Refuse a header whose ``metrics`` the loop cannot read."""
    metrics = state.metrics
    best, final = metrics.get("best"), metrics.get("final")
    rules = {
        "loss_sum": _number(metrics.get("loss_sum")),
        "finished": type(metrics.get("finished")) is bool,
        "init": _optional(metrics.get("init"), str),
        "teacher": _optional(metrics.get("teacher"), str),
        "processes": _count(metrics.get("processes", 1)),
        "best": best is None or _measured(best, "step", ("validation_top1",)),
        "final": (final is None and not state.finished)
        or _measured(final, "steps", ("validation_top1", "test_top1")),
    }
    for name, good in rules.items():
        if not good:
            raise InputError(
                f"{what} header metrics must have a usable {name}, not {shown(metrics.get(name))}"
            )


def _number(value: Any) -> bool:
    return type(value) in (int, float) and -1e300 < value < 1e300 and math.isfinite(value)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def _optional(value: Any, kind: type) -> bool:
    return value is None or type(value) is kind


def _measured(record: Any, count: str, shares: tuple[str, ...]) -> bool:
    """Whether a record has a count of steps and accuracies in percent (None: not measured)."""
    if not isinstance(record, dict) or not _count(record.get(count)):
        return False
    measured = [record.get(name) for name in shares]
    if "recipe" in record and not isinstance(record["recipe"], str):
        return False
    return all(v is None or (_number(v) and 0 <= v <= 100) for v in measured)
