"""Any table of codes as monotone thresholds: a monotone one, or the difference of two."""

from dataclasses import dataclass

import numpy as np

from ..spec.activation import Threshold
from ..spec.errors import InputError
from ..spec.formats import Int64Array, IntFormat


@dataclass(frozen=True, kw_only=True, eq=False)
class TableParts:
    """`table[code] = rising(code) - falling(code) + bias`; falling is None for a monotone table."""

    rising: Threshold
    falling: Threshold | None
    bias: int


def table_layers(table: Int64Array, codes: IntFormat, out: IntFormat, what: str) -> TableParts:
    """Thresholds on codes that give `table`.

    table: (C, 2^codes.width), or one row for all channels, of codes of the unsigned format `out`;
    its first column is for the code codes.min. Each row becomes what rises in it minus what falls
    in it; a row that rises, or falls, in all by more than the largest code of `out` is refused.

    >>> parts = table_layers(np.array([[5, 2, 1, 4]]), IntFormat(width=2), IntFormat(width=3), "a")
    >>> codes = np.array([[0, 1, 2, 3]])
    >>> (parts.rising.apply(codes) - parts.falling.apply(codes) + parts.bias).tolist()
    [[5, 2, 1, 4]]
    """
    if out.signed or out.width > 8:
        raise InputError(f"{what}: codes of a table must be u1..u8, not {out.name}")
    out.check(table, f"{what}: code of the table")
    steps = np.diff(table, axis=1)
    if (steps >= 0).all() or (steps <= 0).all():
        sign = 1 if (steps >= 0).all() else -1
        return TableParts(rising=_counted(table, codes, out, sign), falling=None, bias=0)
    lift = table[:, :1]
    up, down = np.cumsum(np.maximum(steps, 0), axis=1), np.cumsum(np.maximum(-steps, 0), axis=1)
    most = int(max(up[:, -1].max(), down[:, -1].max()))
    if most > out.max:
        raise InputError(
            f"{what}: table must rise and fall by at most {out.max} in all, not by {most}"
        )
    start = np.zeros_like(lift)
    rising, falling = np.concatenate([start, up], axis=1), np.concatenate([start, down], axis=1)
    bias = 0
    if len(np.unique(lift)) == 1:
        bias = int(lift[0, 0])
    elif (rising[:, -1:] + lift <= out.max).all():
        rising = rising + lift
    else:
        raise InputError(f"{what}: tables of all channels must begin with one code, not several")
    return TableParts(
        rising=_counted(rising, codes, out, 1), falling=_counted(falling, codes, out, 1), bias=bias
    )


def _counted(values: Int64Array, codes: IntFormat, out: IntFormat, sign: int) -> Threshold:
    """Thresholds that count up to `values` (C, codes), monotone along the codes."""
    along = values if sign > 0 else values[:, ::-1]
    first = codes.min if sign > 0 else -codes.max
    goals = np.arange(1, out.max + 1)
    tau = np.stack([np.searchsorted(row, goals, side="left") for row in along]) + first
    return Threshold(tau=tau.astype(np.int64), sign=np.full(len(values), sign, np.int64))
