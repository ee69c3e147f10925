"""The quantizers by name: one factory for weights, one for activations."""

from dataclasses import dataclass, field

from ..spec.errors import InputError
from .codebook import Codebook, CodebookConfig
from .scaled_grid import ApotWeight, GridWeight, N2uqWeight
from .weight_quantizer import WeightQuantizer

WEIGHT_RULES = ("adq", "post", "pot", "apot", "lsq", "n2uq")
_CHANNEL_RULES = {
    "post": True,
    "pot": True,
    "n2uq": True,
    "adq": False,
    "apot": False,
    "lsq": False,
}
"""Whether the scale is per output channel in the papers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """Which quantizers a network has; hidden weights and hidden activations."""

    weights: str = "adq"
    per_channel: bool | None = None
    """Scale per output channel; None: as the rule's paper does."""
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    """Settings of ADQ; ``level_width`` counts for every rule."""

    def __post_init__(self) -> None:
        if self.weights not in WEIGHT_RULES:
            raise InputError(f"Weight rule must be one of {WEIGHT_RULES}, not {self.weights!r}")
        fixed = {"apot": False, "n2uq": True}.get(self.weights)
        if fixed is not None and self.per_channel not in (None, fixed):
            scope = "per channel" if fixed else "per layer"
            raise InputError(f"Scale of {self.weights} must be {scope}, not otherwise")

    @property
    def channel_scale(self) -> bool:
        """Whether the scale of hidden weights is per output channel."""
        return _CHANNEL_RULES[self.weights] if self.per_channel is None else self.per_channel


def weight_quantizer(method: Method, width: int, channels: int) -> WeightQuantizer:
    """A quantizer for the weights (channels, Cin, kh, kw) of one layer, ``width`` bits."""
    level_width = method.codebook.level_width
    match method.weights:
        case "adq":
            return Codebook(width, method.codebook, channels if method.channel_scale else None)
        case "apot":
            return ApotWeight(width, channels, level_width=level_width)
        case "n2uq":
            return N2uqWeight(width, channels, level_width=level_width)
        case rule:
            return GridWeight(
                width,
                channels,
                rule=rule,
                level_width=level_width,
                per_channel=method.channel_scale,
            )
