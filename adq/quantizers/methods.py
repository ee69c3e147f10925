"""The quantizers by name: one factory for weights, one for activations."""

from dataclasses import dataclass, field
from typing import assert_never

from ...spec.errors import InputError
from ..recipes.fields import check_types
from ..recipes.quant_config import ActivationRule, WeightRule
from .activation import ThresholdActivation
from .adaptive_step import AdaptiveStepActivation
from .codebook import Codebook
from .codebook_config import CodebookConfig
from .grids import Grid, GridRule, make_grid
from .low_bit import LowBitActivation
from .rprelu import RPReLUThreshold
from .scaled_grid import ApotWeight, GridWeight, LsqWeight, N2uqWeight
from .uniform_activation import LsqActivation, PactActivation
from .weight_quantizer import WeightQuantizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """Which quantizers a network has; hidden weights and hidden activations."""

    weights: WeightRule = "adq"
    per_channel: bool | None = None
    """Scale per output channel; None: as the rule's paper does."""
    activations: ActivationRule = "n2uq"
    """``asq-base``: ASQ dequantized by the layer's step, as in a review of the paper."""
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    """Settings of ADQ; ``level_width`` applies to every rule."""

    def __post_init__(self) -> None:
        check_types(self, "Method ")
        if self.per_channel not in (None, self.channel_scale):
            scope = "per channel" if self.channel_scale else "per layer"
            raise InputError(f"Scale of {self.weights} must be {scope}, not otherwise")

    @property
    def channel_scale(self) -> bool:
        """Whether the scale of hidden weights is per output channel."""
        match self.weights:
            case "adq" | "lsq":
                return self.per_channel is True
            case "post" | "pot":
                return self.per_channel is not False
            case "apot":
                return False
            case "n2uq":
                return True
            case unknown:
                assert_never(unknown)


def weight_quantizer(method: Method, width: int, channels: int) -> WeightQuantizer:
    """A quantizer for the weights (channels, Cin, kh, kw) of one layer, ``width`` bits."""
    scaled = channels if method.channel_scale else None

    def grid(rule: GridRule) -> Grid:
        return make_grid(rule, width, method.codebook.level_width)

    match method.weights:
        case "adq":
            return Codebook(width, method.codebook, scaled)
        case "post" | "pot":
            return GridWeight(width, grid(method.weights), scaled)
        case "apot":
            return ApotWeight(width, grid("apot"), scaled)
        case "lsq":
            return LsqWeight(width, grid("lsq"), scaled)
        case "n2uq":
            return N2uqWeight(width, grid("uniform"), scaled)
        case unknown:
            assert_never(unknown)


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
        case "asq":
            return AdaptiveStepActivation(act_width, channels)
        case "asq-base":
            return AdaptiveStepActivation(act_width, channels, by_base=True)
        case unknown:
            assert_never(unknown)
