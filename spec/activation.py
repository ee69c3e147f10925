"""Threshold activation: a code is a count of thresholds reached (contract section 4)."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .errors import ContractError
from .formats import Int64Array, IntArray, IntFormat, freeze

MAX_ACT_WIDTH = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold:
    """`code = #{i : sign_c * acc >= tau[c][i]}`; no rounding exists here.

    tau: (C, 2^act_width - 1) int64, non-decreasing along the last axis; C is the number of
    channels, or 1 when all channels share one row. sign: (C,) of +1 or -1.
    """

    tau: Int64Array
    sign: Int64Array
    width: int = field(init=False)
    """Bits of the resulting code (`act_width`)."""

    def __post_init__(self) -> None:
        tau = freeze(self.tau, np.int64, "Threshold tau")
        sign = freeze(self.sign, np.int64, "Threshold sign")
        if tau.ndim != 2 or sign.shape != tau.shape[:1] or tau.shape[0] < 1:
            raise ContractError(
                f"Threshold must have tau (C, L) and sign (C,), not {tau.shape} and {sign.shape}"
            )
        width = int(tau.shape[1]).bit_length()
        if tau.shape[1] != (1 << width) - 1 or not 1 <= width <= MAX_ACT_WIDTH:
            raise ContractError(
                f"Threshold count must be 2^act_width - 1 with act_width in 1..{MAX_ACT_WIDTH}, "
                f"not {tau.shape[1]}"
            )
        if not np.isin(sign, (-1, 1)).all():
            raise ContractError("Threshold sign must be +1 or -1 in every channel")
        falling = np.argwhere(np.diff(tau, axis=1) < 0)
        if falling.size:
            channel, i = (int(k) for k in falling[0])
            raise ContractError(
                f"Thresholds must be non-decreasing, not {tau[channel, i]} before "
                f"{tau[channel, i + 1]} at channel {channel}, index {i}"
            )
        object.__setattr__(self, "tau", tau)
        object.__setattr__(self, "sign", sign)
        object.__setattr__(self, "width", width)

    @property
    def channels(self) -> int:
        return int(self.tau.shape[0])

    @property
    def format(self) -> IntFormat:
        return IntFormat(width=self.width)

    @cached_property
    def tau_format(self) -> IntFormat:
        """Smallest signed format of the thresholds."""
        low, high = int(self.tau.min()), int(self.tau.max())
        return IntFormat.holding(min(low, -1), max(high, 0))

    def apply(self, acc: IntArray) -> Int64Array:
        """Codes of `acc` (N, C, ...), int64, same shape."""
        values = np.asarray(acc, dtype=np.int64)
        if self.channels == 1:
            return np.asarray(np.searchsorted(self.tau[0], self.sign[0] * values, side="right"))
        channels = values.shape[1]
        sign = np.broadcast_to(self.sign, (channels,))
        tau = np.broadcast_to(self.tau, (channels, self.tau.shape[1]))
        codes = np.empty_like(values)
        for c in range(channels):  # tau is sorted: the count is a position in it
            codes[:, c] = np.searchsorted(tau[c], sign[c] * values[:, c], side="right")
        return codes
