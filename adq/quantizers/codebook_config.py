"""Settings of an adaptive codebook."""

from dataclasses import dataclass

from ...spec.errors import InputError
from ..recipes.fields import check_types, require
from ..recipes.quant_config import DeadRule, EmaForm, InitRule, LevelRule

DECAY = 0.99
"""EMA decay of a codebook that no run of known length trains: VQ-VAE's default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodebookConfig:
    """How codebooks start, adapt and end."""

    levels: LevelRule = "full"
    """"full": all 2^b codes have a level, zero among them; "reserved": 2^b - 1, as many on each
    side of zero, and the code of "minus zero" unused."""
    init: InitRule = "mid"
    """Start per sign: quantiles "mid" (i-0.5)/m, "edge" i/(m+1), "tail" density^(1/3); or
    "uniform", "random", "kmeans"."""
    init_lloyd: int = 0
    """Lloyd iterations after the start (0 is the recipe, 20 removes the quantiles' tail error)."""
    ema: EmaForm = "mean"
    """"mean": toward the bin's mean; "count": VQ-VAE's smoothed counts and sums; "off"."""
    decay: float | None = None
    """EMA decay per update; None: what the trainer says, by the length of its run."""
    ema_period: int = 1
    """Optimizer steps per update."""
    level_gradient: bool = False
    """Values are learned by gradient, too, beside the EMA."""
    clip: bool = True
    """No gradient to weights outside the outer values."""
    early_rounding: bool = True
    """Levels are integers from the first step on, not from the freeze on."""
    dead: DeadRule = "split"
    """Values without weights: "keep" them, or "split" the fullest bin of their sign."""
    tie_sign: bool = False
    """Mirror the values (half-size lookup table) instead of adapting the signs separately."""
    level_width: int = 8
    """Width of the signed integer levels after freezing."""
    acc_width: int | None = None
    """Bits that every layer's accumulators must fit; None: as many as the sums need."""
    seed: int = 0
    """Of the random starts."""

    def __post_init__(self) -> None:
        check_types(self, "Codebook ")
        require(self.init_lloyd >= 0, "Codebook init_lloyd", ">= 0", self.init_lloyd)
        decay = self.decay
        require(decay is None or 0 <= decay < 1, "Codebook decay", "in [0, 1)", decay)
        require(self.ema_period >= 1, "Codebook ema_period", ">= 1", self.ema_period)
        level_width = self.level_width
        require(2 <= level_width <= 16, "Codebook level_width", "in 2..16", level_width)
        if self.tie_sign and self.full:
            raise InputError("Codebook levels must be 'reserved' with mirrored values, not 'full'")

    @property
    def full(self) -> bool:
        """Whether every code has a level."""
        return self.levels == "full"

    def count(self, width: int) -> int:
        """Levels of a codebook of ``width`` bits."""
        return 2**width if self.full else 2**width - 1
