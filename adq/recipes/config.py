"""Full description of one training run: frozen, nested, checked, and a plain JSON object on disk.

A run is a `Recipe`; `adq.recipes.recipes` holds named functions that return one. The command line
changes fields with `--set quant.weight_width=3` and nothing else: there is no flag per field
(`config_text` reads and writes the text forms).
"""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ...spec.host.text import printable
from .fields import check_types, require, require_count
from .quant_config import MAX_STEPS, UNSCALED, AllocationConfig, HardwareConfig, QuantConfig

CIFAR_RESNET: Literal["cifar"] = "cifar"
OWN: Literal["own"] = "own"
Architecture = Literal["cifar", "resnet18", "resnet34", "resnet50", "mobilenet-v2", "own"]
DataName = Literal["digits", "cifar10", "imagefolder", "npz", "torch", "auto"]
DATA_NAMES: tuple[DataName, ...] = get_args(DataName)
MAX_DEPTH, MAX_WIDTH, MAX_CLASSES, MAX_SIDE = 1202, 4096, 100_000, 4096
"""Of a network: the deepest CIFAR ResNet published, channels of its first convolution, classes,
channels and pixels of an edge of its input. Its memory is checked before it is made."""
MAX_RATE = 1e30
"""Of learning rates and other factors that are single-precision numbers in torch."""
STD_RANGE = (1e-3, 1e3)
"""A pixel is a multiple of 1/255: no channel with any content has a smaller deviation."""
SCALE_RANGE = (1 / 255 / STD_RANGE[1], 1 / 255 / STD_RANGE[0])
"""Of features: what makes a deviation of `STD_RANGE`."""
MAX_THREADS = 512
MAX_SEED = (1 << 63) - 1
"""Seeds of torch's generators."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Which images, and how a training batch is augmented."""

    name: DataName = "digits"
    """A data set that `adqhw.adq.data.datasets` reads; `torch`: one that Python code hands over;
    `auto`: whatever --data is."""
    layout: Literal["auto", "nchw", "nhwc"] = "auto"
    """Order of the axes of arrays in an .npz; `auto`: the order that only one reading allows."""
    split_seed: int = 0
    """Of the shuffle that cuts test or validation images off where the data has no such part."""
    scale: float | None = None
    """Float features: the value between two codes. A feature is (code - zero_point) * scale."""
    zero_point: int | None = None
    """Code of the feature 0.0, in 0..255 (None: 0)."""
    crop_padding: int = 0
    """Black pixels added on each side before the random crop back to the original size."""
    flip: bool = False
    """Mirror half of the images left to right (not for digits: a mirrored 5 is no 5)."""
    limit: int | None = None
    """Use only the first so many training images (trials; None: all)."""
    all_images: bool = False
    """CIFAR-10: train on the held-out images too, as published runs do. Nothing is selected then:
    no held-out accuracy is measured, and the best state is the last one."""
    test: bool = True
    """Measure the test images at the end; false in a search, which must not look at them."""
    workers: int = 4
    """Threads that decode image files; they change no pixel."""

    def __post_init__(self) -> None:
        check_types(self, "data.")
        every = not self.all_images or self.name == "cifar10"
        require(every, "data.all_images", "false but for cifar10", self.all_images)
        require_count("data.workers", self.workers, MAX_THREADS)
        require(0 <= self.crop_padding <= 16, "data.crop_padding", "in 0..16", self.crop_padding)
        if self.limit is not None:
            require_count("data.limit", self.limit, MAX_STEPS)
        require_count("data.split_seed", self.split_seed, MAX_SEED, least=0)
        low, high = SCALE_RANGE
        good = self.scale is None or low <= self.scale <= high
        require(good, "data.scale", f"in {low:.3g}..{high:.3g}", self.scale)
        good = self.zero_point is None or 0 <= self.zero_point <= 255
        require(good, "data.zero_point", "a code in 0..255", self.zero_point)


OF_DATA: dict[str, Any] = {"classes": 0, "image": (), "mean": (), "std": ()}
"""Fields of a model that its data can decide, with the value that leaves it to them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """A CIFAR-style ResNet: 3 stages of (depth - 2) / 6 blocks, widths 1, 2, 4 times `width`.

    Or an ImageNet network (`arch`), which `depth` and `shortcut` do not apply to; or a user's own.
    """

    arch: Architecture = "cifar"
    """`own`: the module that `factory` makes."""
    factory: str = ""
    """`package.module:name` or `file.py:name` of a class or function that returns an `nn.Module`
    (`--model`)."""
    arguments: tuple[str, ...] = ()
    """Of the factory, as `key=value` (`--model-arg`)."""
    digest: str = ""
    """Of the layers that the module was traced to; empty before it was."""
    depth: int = 8
    width: int = 16
    """Channels of the first convolution (64 in ResNet-18, 32 in MobileNet-V2 as published)."""
    shortcut: Literal["A", "B"] = "A"
    """`A`: strided slice, zero-padded channels (no weights). `B`: 1x1 convolution."""
    classes: int = 10
    """0: as many as the data has."""
    image: tuple[int, ...] = (1, 8, 8)
    """Channels, height, width of the input; empty: those of the data."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """Per-channel normalization of pixel / 255: x = (pixel / 255 - mean) / std. Empty: measured on
    the training images; of features with a scale, that which gives their values back."""

    def __post_init__(self) -> None:
        check_types(self, "model.")
        deep = 8 <= self.depth <= MAX_DEPTH and (self.depth - 2) % 6 == 0
        require(deep, "model.depth", f"6 n + 2 (8, 20, 32, .. {MAX_DEPTH})", self.depth)
        wide = self.width % 4 == 0 and 0 < self.width <= MAX_WIDTH
        require(wide, "model.width", f"a multiple of 4 in 4..{MAX_WIDTH}", self.width)
        own = self.arch == OWN
        require(own == bool(self.factory), "model.arch", "own with --model only", self.arch)
        if self.classes:
            require_count("model.classes", self.classes, MAX_CLASSES, least=2)
        self._check_image()

    @property
    def undecided(self) -> tuple[str, ...]:
        """Fields that the data decides."""
        return tuple(name for name in OF_DATA if not getattr(self, name))

    def _check_image(self) -> None:
        """Refuse shapes and normalizations that no image has."""
        sides = len(self.image) in (0, 3) and all(0 < n <= MAX_SIDE for n in self.image)
        wanted = f"(channels, height, width), each in 1..{MAX_SIDE}"
        require(sides, "model.image", wanted, self.image)
        channels = self.image[0] if self.image else max(len(self.mean), len(self.std))
        sizes = (0, channels)
        good_mean = len(self.mean) in sizes and all(0 <= m <= 1 for m in self.mean)
        require(good_mean, "model.mean", f"{channels} numbers in 0..1", self.mean)
        low, high = STD_RANGE
        good_std = len(self.std) in sizes and all(low <= v <= high for v in self.std)
        require(good_std, "model.std", f"{channels} positive numbers in {low}..{high:g}", self.std)


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """The optimizer; learning rate with linear warm-up, then cosine to zero."""

    lr: float = 0.1
    momentum: float = 0.9
    """Decay of the gradient's average: SGD's momentum, Adam's first beta."""
    kind: Literal["sgd", "adam", "adamw"] = "sgd"
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
    length_lr_factor: float | None = None
    """The same of the lengths between thresholds alone; null: `quantizer_lr_factor`."""
    level_lr_factor: float | None = None
    """The same of codebook values that are learned by gradient; null: `quantizer_lr_factor`."""
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_types(self, "optim.")
        require(self.lr > 0, "optim.lr", "positive", self.lr)
        require_count("optim.warmup_steps", self.warmup_steps, MAX_STEPS, least=0)
        for name in ("lr", "weight_decay", "quantizer_lr_factor"):
            value = getattr(self, name)
            require(0 <= value <= MAX_RATE, f"optim.{name}", f"in 0..{MAX_RATE:g}", value)
        for name in ("length_lr_factor", "level_lr_factor"):
            value = getattr(self, name)
            good = value is None or 0 <= value <= MAX_RATE
            require(good, f"optim.{name}", f"in 0..{MAX_RATE:g}", value)
        for name in ("momentum", "beta2", "average", "label_smoothing"):
            value = getattr(self, name)
            require(0 <= value < 1, f"optim.{name}", "in [0, 1)", value)


@dataclass(frozen=True, kw_only=True, slots=True)
class DistillConfig:
    """What a teacher (`--teacher FILE`) adds to the loss (docs/papers.md section 7, row 18)."""

    mode: Literal["off", "kl", "soft"] = "off"
    """`kl`: (1 - weight) * CE + weight * T^2 * KL; `soft`: soft cross entropy (N2UQ)."""
    weight: float = 0.5
    """Share of the teacher in the loss (mode `kl`)."""
    temperature: float = 2.0
    """Softening T of both distributions (mode `kl`)."""

    def __post_init__(self) -> None:
        check_types(self, "distill.")
        require(0 <= self.weight <= 1, "distill.weight", "in [0, 1]", self.weight)
        warm = 1e-3 <= self.temperature <= 1e3
        require(warm, "distill.temperature", "in 0.001..1000", self.temperature)


_MOST = {
    "epochs": 1_000_000,
    "batch_size": 1_000_000,
    "accumulate": 1_000_000,
    "threads": MAX_THREADS,
    "checkpoint_steps": MAX_STEPS,
    "log_steps": MAX_STEPS,
}
"""Largest value of each count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Length, seed and safety of the run."""

    epochs: int = 10
    batch_size: int = 128
    """Images of one optimizer step, of all processes and parts together."""
    accumulate: int = 1
    """Parts that a batch goes through the network in, to save memory; batch statistics are
    those of a part."""
    seed: int = 0
    threads: int = 2
    """Torch threads. Part of the run's identity: the way a sum is split decides its last bits."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """`auto`: a GPU if there is one. Part of the run's identity, too."""
    amp: bool = False
    """bfloat16 convolutions while training (CPU or GPU). Codes and rounded levels are exact in it;
    sums and gradients are rounded to 8 bits. Evaluation and export always use exact sums."""
    winograd: bool = True
    """3x3 convolutions of training steps on a CPU, in float32, by a quarter of the multiplications
    (`networks.winograd`): sums and gradients are off by about 1e-5 of the largest. Evaluation and
    export always use exact sums."""
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
        check_types(self, "train.")
        for name, most in _MOST.items():
            require_count(f"train.{name}", getattr(self, name), most)
        parts = self.accumulate
        require(parts <= self.batch_size, "train.accumulate", "at most train.batch_size", parts)
        require_count("train.seed", self.seed, MAX_SEED, least=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that decides the weights a run ends with."""

    name: str
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    quant: QuantConfig = field(default_factory=QuantConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    allocation: AllocationConfig = field(default_factory=AllocationConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        check_types(self, "")
        named = 0 < len(self.name) <= 100 and self.name == printable(self.name)
        require(named, "name", "1..100 printable characters", self.name)
        acc, rule = self.hardware.acc_width, self.quant.method.weights
        good = acc is None or rule not in UNSCALED
        require(good, "hardware.acc_width", f"null with weights {' or '.join(UNSCALED)}", acc)
        good = not (self.train.compile and self.quant.quantized)
        require(good, "train.compile", "false in a quantized recipe", self.train.compile)
