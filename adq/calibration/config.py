"""What a calibration does, and how much it looks at."""

from dataclasses import dataclass
from typing import Literal

from ..recipes.fields import check_types, require, require_count

RangeRule = Literal["error", "quantile"]
Rounding = Literal["nearest", "sequential"]
MAX_SAMPLES = 1 << 24
"""Of one layer: what a rank of ten thousand inputs needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationConfig:
    """Choices of a calibration; the widths and rules are the network's own."""

    ranges: RangeRule = "error"
    """Ends of the activations: least squared error against the float maps, or `quantile`."""
    act_quantile: float = 0.999
    """With ranges `quantile`: share of an activation's inputs that lie in its range."""
    stream_quantile: float = 0.9999
    """The same of a stream's magnitudes."""
    aware: bool = True
    """Codebooks and scales by the squared error times the second moment of each weight's input;
    false: by the weights' squared error alone."""
    rounding: Rounding = "sequential"
    """`sequential`: weight by weight, the rest of the row takes up each error (GPTQ); `nearest`
    keeps the float weights, which training may go on with."""
    compensate: bool = True
    """With `sequential`: weights are first fitted to the float sums on the quantized inputs."""
    damping: float = 0.1
    """Share of the mean second moment that is added to every input: pulls to the float weights."""
    samples: int = 16384
    """Least number of windows that a layer's moments are taken from, where there are so many."""
    oversampling: float = 8.0
    """Windows per weight of a sum, where that is more than `samples`."""
    correct: bool = True
    """Offset and slope of each output channel fitted to the float maps."""
    seed: int = 0
    """Of the windows that are drawn."""

    def __post_init__(self) -> None:
        check_types(self, "Calibration ")
        for name in ("act_quantile", "stream_quantile"):
            value = getattr(self, name)
            require(0 < value <= 1, f"Calibration {name}", "in (0, 1]", value)
        require(0 < self.damping <= 100, "Calibration damping", "in (0, 100]", self.damping)
        require_count("Calibration samples", self.samples, MAX_SAMPLES)
        most = self.oversampling
        require(0 < most <= 1000, "Calibration oversampling", "in (0, 1000]", most)
        require(self.seed >= 0, "Calibration seed", ">= 0", self.seed)
