"""Says when a run loses its start: a loss that rises while the rate warms up.

A rate that is right for one start destroys another (docs/methods.md, "The teacher's scale and the
rate"): the run goes on, anew in all but name, and ends points below. The first hundred steps show
it.
"""

from collections import deque
from statistics import fmean

WINDOW = 20
"""Steps whose mean loss is compared."""
RISE = 2.0
"""Times the mean loss at the start."""


class LossWatch:
    """Mean losses of `WINDOW` steps against the first one; speaks once."""

    def __init__(self) -> None:
        self.start: float | None = None
        self.last: deque[float] = deque(maxlen=WINDOW)
        self.told = False

    def __call__(self, step: int, loss: float, lr: float) -> str | None:
        """What there is to say after ``step``, counted from 1."""
        self.last.append(loss)
        if self.told or len(self.last) < WINDOW:
            return None
        mean = fmean(self.last)
        if self.start is None:
            self.start = mean
        if mean <= RISE * self.start:
            return None
        self.told = True
        return (
            f"loss rose from {self.start:.3g} (steps 1 to {WINDOW}) to {mean:.3g} (steps "
            f"{step - WINDOW + 1} to {step}): at a rate of {lr:.3g} the start is being forgotten; "
            "if it was trained, try a lower optim.lr"
        )
