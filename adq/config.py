"""Full description of one training run: frozen, nested, checked, and a plain JSON object on disk.

A run is a `Recipe`; `adqhw.adq.recipes` holds named functions that return one. The command line
changes fields with `--set quant.weight_width=3` and nothing else: there is no flag per field
(`config_text` reads and writes the text forms).
"""

from dataclasses import dataclass, field

from ..spec.errors import InputError

CIFAR_RESNET = "cifar"
ARCHITECTURES = (CIFAR_RESNET, "resnet18", "resnet34", "resnet50", "mobilenet-v2")


def _require(condition: bool, thing: str, requirement: str, value: object) -> None:
    if not condition:
        raise InputError(f"{thing} must be {requirement}, not {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Which images, and how a training batch is augmented."""

    name: str = "digits"
    """A dataset known to `adqhw.adq.datasets`: `digits`, `cifar10` or `imagefolder`."""
    crop_padding: int = 0
    """Black pixels added on each side before the random crop back to the original size."""
    flip: bool = False
    """Mirror half of the images left to right (never for digits: a mirrored 5 is no 5)."""
    limit: int | None = None
    """Use only the first so many training images (trials; None: all)."""
    all_images: bool = False
    """CIFAR-10: train on the held-out images too, as published runs do. Nothing is selected then:
    no held-out accuracy is measured, and the best state is the last one."""
    workers: int = 4
    """Threads that decode image files; they change no pixel."""

    def __post_init__(self) -> None:
        known = ("digits", "cifar10", "imagefolder")
        _require(self.name in known, "data.name", "digits, cifar10 or imagefolder", self.name)
        every = not self.all_images or self.name == "cifar10"
        _require(every, "data.all_images", "false but for cifar10", self.all_images)
        _require(self.workers > 0, "data.workers", "positive", self.workers)
        _require(0 <= self.crop_padding <= 16, "data.crop_padding", "in 0..16", self.crop_padding)
        _require(self.limit is None or self.limit > 0, "data.limit", "positive", self.limit)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """A CIFAR-style ResNet: 3 stages of (depth - 2) / 6 blocks, widths 1, 2, 4 times `width`.

    Or an ImageNet network (`arch`), of which `depth` and `shortcut` say nothing.
    """

    arch: str = CIFAR_RESNET
    """`cifar`, resnet18, resnet34, resnet50 or mobilenet-v2."""
    depth: int = 8
    width: int = 16
    """Channels of the first convolution (64 in ResNet-18, 32 in MobileNet-V2 as published)."""
    shortcut: str = "A"
    """`A`: strided slice, zero-padded channels (no weights). `B`: 1x1 convolution."""
    classes: int = 10
    image: tuple[int, ...] = (1, 8, 8)
    """Channels, height, width of the input."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """Per-channel normalization of pixel / 255: x = (pixel / 255 - mean) / std."""

    def __post_init__(self) -> None:
        _require(self.arch in ARCHITECTURES, "model.arch", ", ".join(ARCHITECTURES), self.arch)
        deep = self.depth >= 8 and (self.depth - 2) % 6 == 0
        _require(deep, "model.depth", "6 n + 2 (8, 20, 32, 44, 56)", self.depth)
        _require(
            self.width % 4 == 0 and self.width > 0, "model.width", "a multiple of 4", self.width
        )
        _require(self.shortcut in ("A", "B"), "model.shortcut", "A or B", self.shortcut)
        _require(self.classes > 1, "model.classes", "at least 2", self.classes)
        shaped = len(self.image) == 3 and min(self.image, default=0) > 0
        _require(shaped, "model.image", "(channels, height, width)", self.image)
        channels = self.image[0]
        _require(len(self.mean) == channels, "model.mean", f"{channels} numbers", self.mean)
        good_std = len(self.std) == channels and min(self.std) > 0
        _require(good_std, "model.std", f"{channels} positive numbers", self.std)


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodConfig:
    """Which quantizers, and the variants of the adaptive codebook (values: `methods.Method`)."""

    weights: str = "adq"
    """Rule of the hidden weights: adq, post, pot, apot, lsq or n2uq."""
    per_channel: bool | None = None
    """Scale per output channel (folds into batch norm); null: as the rule's paper does."""
    activations: str = "n2uq"
    """Rule of the hidden activations: n2uq, n2uq-rprelu, lsq, pact, asq or asq-base."""
    init: str = "mid"
    """Start of a codebook: mid, edge, tail (quantiles), uniform, kmeans or random."""
    ema: str = "mean"
    """Adaptation of a codebook: mean, count (VQ-VAE's form) or off."""
    ema_period: int = 1
    """Optimizer steps per adaptation."""
    dead: str = "keep"
    """Codebook values without weights: keep or split."""
    tie_sign: bool = False
    """Mirror the codebook values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantConfig:
    """Quantizers of the network; the choices of papers.md section 7 as fields."""

    mode: str = "float"
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
    decay: float = 0.99
    """EMA decay of a codebook value, per optimizer step (VQ-VAE's default)."""
    lloyd_steps: int = 0
    """k-means steps after a codebook's start (0 is faithful to the paper)."""
    freeze_fraction: float = 0.1
    """Last part of training with frozen, rounded codebooks: what is trained is what is exported."""
    calibration_images: int = 512
    """Images that set activation scales before training and batch-norm statistics after it."""

    def __post_init__(self) -> None:
        modes = ("float", "fakequant")
        _require(self.mode in modes, "quant.mode", "float or fakequant", self.mode)
        _require(2 <= self.weight_width <= 8, "quant.weight_width", "in 2..8", self.weight_width)
        _require(1 <= self.act_width <= 6, "quant.act_width", "in 1..6", self.act_width)
        for layer, width in self.widths.items():
            _require(2 <= width <= 8, f"quant.widths of layer {layer!r}", "in 2..8", width)
        budget = self.average_weight_bits
        in_range = budget is None or 2 <= budget <= 8
        _require(in_range, "quant.average_weight_bits", "in 2..8", budget)
        _require(4 <= self.level_width <= 16, "quant.level_width", "in 4..16", self.level_width)
        _require(0 <= self.decay < 1, "quant.decay", "in [0, 1)", self.decay)
        _require(self.lloyd_steps >= 0, "quant.lloyd_steps", "0 or more", self.lloyd_steps)
        part = self.freeze_fraction
        _require(0 <= part <= 1, "quant.freeze_fraction", "in [0, 1]", part)
        images = self.calibration_images
        _require(images > 0, "quant.calibration_images", "positive", images)


@dataclass(frozen=True, kw_only=True, slots=True)
class AllocationConfig:
    """How bits per layer are chosen under a budget.

    The budget is `quant.average_weight_bits`, `model_bytes` or `cost_budget`: one of them.
    """

    sensitivity: str = "fisher"
    """`fisher`, `hessian` (Hutchinson trace) or `error` (relative squared error)."""
    widths: tuple[int, ...] = (2, 3, 4)
    """Candidate bits of a hidden layer."""
    model_bytes: int | None = None
    """Budget for all packed weights, the 8-bit first and last layer included."""
    cost_budget: float | None = None
    """Budget in the unit of `cost_table`: energy, cycles, ..."""
    cost_table: str | None = None
    """JSON file {"unit": ..., "costs": {layer: {bits: cost}}} of additive costs."""

    def __post_init__(self) -> None:
        kinds = ("fisher", "hessian", "error")
        kind = self.sensitivity
        _require(kind in kinds, "allocation.sensitivity", "fisher, hessian or error", kind)
        good = bool(self.widths) and all(2 <= width <= 8 for width in self.widths)
        _require(good, "allocation.widths", "a list of bits in 2..8", self.widths)
        size, cost = self.model_bytes, self.cost_budget
        _require(size is None or size > 0, "allocation.model_bytes", "positive", size)
        _require(cost is None or cost > 0, "allocation.cost_budget", "positive", cost)


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """The optimizer; learning rate with linear warm-up, then cosine to zero."""

    lr: float = 0.1
    momentum: float = 0.9
    """Decay of the gradient's average: SGD's momentum, Adam's first beta."""
    kind: str = "sgd"
    """`sgd` (with momentum), `adam` or `adamw` (decay apart from the gradient)."""
    beta2: float = 0.999
    """Decay of the squared gradient's average (Adam)."""
    weight_decay: float = 1e-4
    """Only on convolution and classifier weights; never on batch norm, biases or quantizers."""
    average: float = 0.0
    """Decay per step of an average of the weights, which is then what is measured and exported;
    0: none. Early steps count more: at step t the decay is (1 + t) / (10 + t) at most."""
    warmup_steps: int = 0
    quantizer_lr_factor: float = 0.1
    """Learning rate of thresholds and scales relative to the weights' (N2UQ uses 0.1)."""
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        kinds = ("sgd", "adam", "adamw")
        _require(self.kind in kinds, "optim.kind", "sgd, adam or adamw", self.kind)
        _require(0 <= self.beta2 < 1, "optim.beta2", "in [0, 1)", self.beta2)
        _require(0 <= self.average < 1, "optim.average", "in [0, 1)", self.average)
        _require(self.lr > 0, "optim.lr", "positive", self.lr)
        _require(0 <= self.momentum < 1, "optim.momentum", "in [0, 1)", self.momentum)
        _require(self.weight_decay >= 0, "optim.weight_decay", "0 or more", self.weight_decay)
        _require(self.warmup_steps >= 0, "optim.warmup_steps", "0 or more", self.warmup_steps)
        factor = self.quantizer_lr_factor
        _require(factor >= 0, "optim.quantizer_lr_factor", "0 or more", factor)
        smoothing = self.label_smoothing
        _require(0 <= smoothing < 1, "optim.label_smoothing", "in [0, 1)", smoothing)


@dataclass(frozen=True, kw_only=True, slots=True)
class DistillConfig:
    """What a teacher (`--teacher FILE`) adds to the loss (papers.md section 7, row 18)."""

    mode: str = "off"
    """`off`; `kl`: (1 - weight) * CE + weight * T^2 * KL; `soft`: soft cross entropy (N2UQ)."""
    weight: float = 0.5
    """Share of the teacher in the loss (mode `kl`)."""
    temperature: float = 2.0
    """Softening T of both distributions (mode `kl`)."""

    def __post_init__(self) -> None:
        _require(self.mode in ("off", "kl", "soft"), "distill.mode", "off, kl or soft", self.mode)
        _require(0 <= self.weight <= 1, "distill.weight", "in [0, 1]", self.weight)
        _require(self.temperature > 0, "distill.temperature", "positive", self.temperature)


_COUNTS = ("epochs", "batch_size", "accumulate", "threads", "checkpoint_steps", "log_steps")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Length, seed and safety of the run."""

    epochs: int = 10
    batch_size: int = 128
    """Images of one optimizer step, of all processes and parts together."""
    accumulate: int = 1
    """Parts that a batch goes through the network in, for want of memory; batch statistics are
    those of a part."""
    seed: int = 0
    threads: int = 2
    """Torch threads. Part of the run's identity: the way a sum is split decides its last bits."""
    device: str = "cpu"
    """`cpu`, `cuda` or `auto` (a GPU if there is one). Part of the run's identity, too."""
    amp: bool = False
    """bfloat16 convolutions while training (CPU or GPU). Codes and rounded levels are exact in it;
    sums and gradients are rounded to 8 bits. Evaluation and export always use exact sums."""
    sync_batch_norm: bool = True
    """Under torchrun: batch statistics of all processes together, so that their number changes
    results by rounding only; false: of each part alone, the first process keeps its own."""
    compile: bool = False
    """Training steps of a float recipe through `torch.compile`. Quantizers have compiled kernels of
    their own, which it cannot trace, and scales that change with every step."""
    tensorboard: bool = False
    """Losses, accuracies and histograms of codebooks for TensorBoard, in the run's folder."""
    checkpoint_steps: int = 100
    """Steps between checkpoints inside an epoch; the end of an epoch always writes one."""
    log_steps: int = 20
    """Steps between lines of metrics.jsonl inside an epoch."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            _require(value > 0, f"train.{name}", "positive", value)
        parts = self.accumulate
        _require(parts <= self.batch_size, "train.accumulate", "at most train.batch_size", parts)
        _require(self.seed >= 0, "train.seed", "0 or more", self.seed)
        known = self.device in ("cpu", "cuda", "auto")
        _require(known, "train.device", "cpu, cuda or auto", self.device)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that decides the weights a run ends with."""

    name: str
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    quant: QuantConfig = field(default_factory=QuantConfig)
    allocation: AllocationConfig = field(default_factory=AllocationConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        good = not self.train.compile or self.quant.mode == "float"
        _require(good, "train.compile", "false in a quantized recipe", self.train.compile)
