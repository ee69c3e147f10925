"""The part of a recipe for the quantization of a network and the choice of its bits."""

from dataclasses import dataclass, field
from typing import Literal

from ...spec.activation import MAX_ACT_WIDTH
from ...spec.host.text import shown
from ...spec.program import MAX_ACC_WIDTH
from .fields import check_types, require, require_count

WeightRule = Literal["adq", "post", "pot", "apot", "lsq", "n2uq"]
ActivationRule = Literal["n2uq", "n2uq-rprelu", "lsq", "pact", "asq", "asq-base"]
InitRule = Literal["mid", "edge", "tail", "uniform", "kmeans", "random"]
EmaForm = Literal["mean", "count", "off"]
DeadRule = Literal["keep", "split"]
LevelRule = Literal["full", "reserved"]
Sensitivity = Literal["fisher", "hessian", "error", "loss"]
StartRule = Literal["quantile", "error"]
MAX_STEPS = 1_000_000_000
"""Of any count of optimizer steps."""
MAX_CALIBRATION = 1_000_000
"""Images."""
MAX_LLOYD = 10_000
MIN_ACC_WIDTH = 8
UNSCALED: tuple[WeightRule, ...] = ("apot", "n2uq")
"""Weight rules that divide by a size of the weights: scaling these changes no level."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodConfig:
    """Which quantizers, and the variants of the adaptive codebook (values: `methods.Method`)."""

    weights: WeightRule = "adq"
    """Rule of the hidden weights."""
    per_channel: bool | None = None
    """Scale per output channel (folds into batch norm); null: as the rule's paper does."""
    activations: ActivationRule = "n2uq"
    """Rule of the hidden activations."""
    levels: LevelRule = "full"
    """Levels of a codebook: 2^b, zero among them, or 2^b - 1 with the code of minus zero unused."""
    init: InitRule = "mid"
    """Start of a codebook; mid, edge and tail are quantiles."""
    ema: EmaForm = "mean"
    """Adaptation of a codebook; count is VQ-VAE's form."""
    ema_period: int = 1
    """Optimizer steps per adaptation."""
    level_gradient: bool = False
    """Codebook values are learned by gradient, too, beside the adaptation."""
    clip: bool = True
    """No gradient to weights outside the outer values of a codebook."""
    early_rounding: bool = True
    """Codebook levels are integers in training from the first step on, not from the freeze on."""
    dead: DeadRule = "split"
    """Codebook values without weights."""
    tie_sign: bool = False
    """Mirror the codebook values; needs `levels` reserved."""

    def __post_init__(self) -> None:
        check_types(self, "quant.method.")
        good = not self.tie_sign or self.levels == "reserved"
        require(good, "quant.method.levels", "reserved with tie_sign", self.levels)
        require_count("quant.method.ema_period", self.ema_period, MAX_STEPS)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantConfig:
    """Quantizers of the network; the choices of docs/papers.md section 7 as fields."""

    mode: Literal["float", "fakequant"] = "float"
    """`float`: train without quantizers. `fakequant`: ADQ weights, N2UQ activations, u8 streams."""
    weight_width: int = 4
    """Bits of a codebook index of every hidden layer that `widths` does not name."""
    act_width: int = 4
    widths: dict[str, int] = field(default_factory=dict)
    """Bits per named hidden layer (mixed precision), for example `{"layer1.0.conv1": 3}`."""
    average_weight_bits: float | None = None
    """Budget for the allocator: it then chooses `widths` by sensitivity before training."""
    method: MethodConfig = field(default_factory=MethodConfig)
    level_width: int = 8
    """Bits of the signed integer levels a codebook is rounded to before export."""
    decay: float | None = None
    """EMA decay of a codebook value, per optimizer step; null: by the length of the run
    (`training.schedule.codebook_decay`)."""
    lloyd_steps: int = 0
    """k-means steps after a codebook's start (0 is faithful to the paper)."""
    freeze_fraction: float = 0.1
    """Last part of training with frozen, rounded codebooks: these steps train what is exported."""
    start: StartRule = "quantile"
    """Before training: ranges by quantiles of the float maps and codebooks by their `init`; or both
    by least error, with each channel's offset corrected (post-training calibration)."""
    calibration_images: int = 512
    """Images that set activation scales before training and batch-norm statistics after it."""

    def __post_init__(self) -> None:
        check_types(self, "quant.")
        require(2 <= self.weight_width <= 8, "quant.weight_width", "in 2..8", self.weight_width)
        narrow = 1 <= self.act_width <= MAX_ACT_WIDTH
        require(narrow, "quant.act_width", f"in 1..{MAX_ACT_WIDTH}", self.act_width)
        for layer, width in self.widths.items():
            require(2 <= width <= 8, f"quant.widths of layer {shown(layer)}", "in 2..8", width)
        budget = self.average_weight_bits
        in_range = budget is None or 2 <= budget <= 8
        require(in_range, "quant.average_weight_bits", "in 2..8", budget)
        require(4 <= self.level_width <= 16, "quant.level_width", "in 4..16", self.level_width)
        decay = self.decay
        require(decay is None or 0 <= decay < 1, "quant.decay", "in [0, 1)", decay)
        require_count("quant.lloyd_steps", self.lloyd_steps, MAX_LLOYD, least=0)
        part = self.freeze_fraction
        require(0 <= part <= 1, "quant.freeze_fraction", "in [0, 1]", part)
        require_count("quant.calibration_images", self.calibration_images, MAX_CALIBRATION)

    @property
    def quantized(self) -> bool:
        """Whether training has quantizers."""
        return self.mode != "float"


@dataclass(frozen=True, kw_only=True, slots=True)
class HardwareConfig:
    """What a program must fit."""

    acc_width: int | None = None
    """Bits of the accumulators that hold all sums, whatever the input; null: no limit. Steps of
    levels become coarser and output channels are scaled down until they do."""

    def __post_init__(self) -> None:
        check_types(self, "hardware.")
        acc = self.acc_width
        good = acc is None or MIN_ACC_WIDTH <= acc <= MAX_ACC_WIDTH
        require(good, "hardware.acc_width", f"in {MIN_ACC_WIDTH}..{MAX_ACC_WIDTH}", acc)


@dataclass(frozen=True, kw_only=True, slots=True)
class AllocationConfig:
    """How bits per layer are chosen under a budget.

    The budget is `quant.average_weight_bits`, `model_bytes` or `cost_budget`: one of them.
    """

    sensitivity: Sensitivity = "fisher"
    """`hessian`: Hutchinson's trace; `error`: relative squared error; `loss`: measured, a layer at
    a time."""
    widths: tuple[int, ...] = (2, 3, 4)
    """Candidate bits of a hidden layer."""
    model_bytes: int | None = None
    """Budget for all packed weights, the 8-bit first and last layer included."""
    cost_budget: float | None = None
    """Budget in the unit of `cost_table`: energy, cycles, ..."""
    cost_table: str | None = None
    """JSON file {"unit": ..., "costs": {layer: {bits: cost}}} of additive costs."""

    def __post_init__(self) -> None:
        check_types(self, "allocation.")
        good = bool(self.widths) and all(2 <= width <= 8 for width in self.widths)
        good &= len(set(self.widths)) == len(self.widths)
        require(good, "allocation.widths", "a list of different bits in 2..8", self.widths)
        size, cost = self.model_bytes, self.cost_budget
        require(size is None or size > 0, "allocation.model_bytes", "positive", size)
        require(cost is None or cost > 0, "allocation.cost_budget", "positive", cost)
