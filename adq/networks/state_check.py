"""Checks of a network's numbers, of a file, a checkpoint or a training step."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.text import shown


def check_numbers(state: Mapping[str, Tensor], what: str) -> None:
    """Refuse NaN, infinity and negative variances; the message names tensor and index."""
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        _refuse_where(~torch.isfinite(tensor), tensor, name, "finite", what)
        if name.endswith("running_var"):
            _refuse_where(tensor < 0, tensor, name, "0 or more (a variance)", what)


def check_shapes(own: Mapping[str, Tensor], state: Mapping[str, Tensor], what: str) -> None:
    """Refuse a state with other names, shapes or kinds of numbers than the network's ``own``."""
    odd = sorted(set(own) ^ set(state))
    if odd:
        verb = "have" if odd[0] in own else "not have"
        raise InputError(f"{what} must {verb} a tensor {shown(odd[0])}")
    for name, tensor in own.items():
        other = state[name]
        if other.shape != tensor.shape:
            raise InputError(
                f"{what} tensor {shown(name)} must be {tuple(tensor.shape)}, "
                f"not {tuple(other.shape)}"
            )
        if other.dtype != tensor.dtype:
            raise InputError(
                f"{what} tensor {shown(name)} must be {_kind(tensor)}, not {_kind(other)}"
            )


def check_codebooks(state: Mapping[str, Tensor], level_width: int, what: str) -> None:
    """Refuse tables that no quantizer makes: unsorted, without zero, frozen but not integers."""
    for name, values in state.items():
        if not re.search(r"\.quantizer\.(values|levels)$", name):
            continue
        if not (values.diff() > 0).all() and not (values.diff() >= 0).all():
            raise InputError(f"{what} tensor {shown(name)} must be sorted")
        start, _, _ = name.rpartition(".")
        _check_zero(values, state.get(f"{start}.place"), name, what)
        if name.endswith(".levels") and bool(state[name.removesuffix("levels") + "frozen"]):
            _refuse_where(values != values.round(), values, name, "whole, as it is frozen", what)
            low, high = -(1 << (level_width - 1)), (1 << (level_width - 1)) - 1
            outside = (values < low) | (values > high)
            _refuse_where(outside, values, name, f"in {low}..{high}", what)
    for name, step in state.items():
        if re.search(r"\.quantizer\.(step|scale)$", name):
            _refuse_where(step <= 0, step, name, "positive", what)


def _check_zero(values: Tensor, place: Tensor | None, name: str, what: str) -> None:
    """place: of the zero in a table of an even number of values; else it is in the middle."""
    half, zero = len(values) // 2, len(values) // 2
    if place is not None:
        zero = int(place)
        if zero not in (half - 1, half):
            raise InputError(
                f"{what} tensor {shown(name.rpartition('.')[0] + '.place')} must be {half - 1} or "
                f"{half}, not {zero}"
            )
    if values[zero] != 0:
        where = "in the middle" if place is None else f"at {zero}"
        raise InputError(f"{what} tensor {shown(name)} must have a zero {where}")


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _refuse_where(bad: Tensor, tensor: Tensor, name: str, rule: str, what: str) -> None:
    if not bad.any():
        return
    index = tuple(int(i) for i in bad.nonzero()[0])
    where = f" at index {index}" if index else ""
    raise InputError(
        f"{what} tensor {shown(name)} must be {rule}, not {float(tensor[index]):g}{where}"
    )
