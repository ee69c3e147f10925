"""The quantizers by name: one factory for weights, one for activations."""

from dataclasses import dataclass, field

from ...spec.errors import InputError
from ..recipes.quant_config import ACTIVATION_RULES, WEIGHT_RULES
from .activation import ThresholdActivation
from .adaptive_step import AdaptiveStepActivation
from .codebook import Codebook, CodebookConfig
from .low_bit import LowBitActivation
from .rprelu import RPReLUThreshold
from .scaled_grid import ApotWeight, GridWeight, N2uqWeight
from .uniform_activation import LsqActivation, PactActivation
from .weight_quantizer import WeightQuantizer

_CHANNEL_RULES = ("post", "pot", "n2uq")
"""Rules whose papers scale per output channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """Which quantizers a network has; hidden weights and hidden activations."""

    weights: str = "adq"
    per_channel: bool | None = None
    """Scale per output channel; None: as the rule's paper does."""
    activations: str = "n2uq"
    """``asq-base`` is ASQ dequantized by the layer's step, as a review of the paper has it."""
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    """Settings of ADQ; ``level_width`` counts for every rule."""

    def __post_init__(self) -> None:
        if self.weights not in WEIGHT_RULES:
            raise InputError(f"Weight rule must be one of {WEIGHT_RULES}, not {self.weights!r}")
        if self.activations not in ACTIVATION_RULES:
            raise InputError(
                f"Activation rule must be one of {ACTIVATION_RULES}, not {self.activations!r}"
            )
        fixed = {"apot": False, "n2uq": True}.get(self.weights)
        if fixed is not None and self.per_channel not in (None, fixed):
            scope = "per channel" if fixed else "per layer"
            raise InputError(f"Scale of {self.weights} must be {scope}, not otherwise")

    @property
    def channel_scale(self) -> bool:
        """Whether the scale of hidden weights is per output channel."""
        return self.weights in _CHANNEL_RULES if self.per_channel is None else self.per_channel


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


def activation(method: Method, act_width: int, channels: int) -> LowBitActivation:
    """An activation of ``act_width`` bits for a map of so many channels."""
    match method.activations:
        case "n2uq":
            return ThresholdActivation(act_width)
        case "n2uq-rprelu":
            return RPReLUThreshold(act_width, channels)
        case "lsq":
            return LsqActivation(act_width)
        case "pact":
            return PactActivation(act_width)
        case rule:
            return AdaptiveStepActivation(act_width, channels, by_base=rule == "asq-base")
