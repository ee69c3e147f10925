"""Named training runs: each function returns the full config; `--set` changes single fields."""

import difflib
from collections.abc import Callable
from dataclasses import replace

from ..spec.errors import InputError
from .config import (
    DataConfig,
    DistillConfig,
    ModelConfig,
    OptimConfig,
    QuantConfig,
    Recipe,
    TrainConfig,
)

# Normalization of the published ResNet weights (akamaster/pytorch_resnet_cifar10): ImageNet's.
_CIFAR_MEAN = (0.485, 0.456, 0.406)
_CIFAR_STD = (0.229, 0.224, 0.225)


def digits_resnet8_float() -> Recipe:
    """Handwritten digits, small ResNet-8 in floating point: seconds on two cores."""
    return Recipe(
        name="digits_resnet8_float",
        data=DataConfig(name="digits", crop_padding=1),
        model=_digits_model(),
        optim=OptimConfig(lr=0.1, warmup_steps=20, weight_decay=5e-4),
        train=TrainConfig(epochs=20, batch_size=64, threads=1),
    )


def digits_resnet8_adq() -> Recipe:
    """ADQ on digits: 4-bit weights and activations; start from the float run with --init."""
    return Recipe(
        name="digits_resnet8_adq",
        data=DataConfig(name="digits", crop_padding=1),
        model=_digits_model(),
        quant=QuantConfig(mode="fakequant", weight_width=4, act_width=4, freeze_fraction=0.25),
        optim=OptimConfig(lr=0.02, warmup_steps=10),
        train=TrainConfig(epochs=12, batch_size=64, threads=1),
    )


def cifar10_resnet20_float() -> Recipe:
    """ResNet-20 on CIFAR-10 from scratch as published (He et al., 2016): hours on two cores."""
    return Recipe(
        name="cifar10_resnet20_float",
        data=_cifar_data(),
        model=_cifar_model(20),
        optim=OptimConfig(lr=0.1, warmup_steps=400),
        train=TrainConfig(epochs=200, batch_size=128),
    )


def cifar10_resnet20_adq() -> Recipe:
    """Two epochs of ADQ at 4-bit weights and activations from pretrained float weights (--init)."""
    # Two epochs are 700 EMA steps: too few to bring quantiles to the Lloyd limit by themselves.
    # Starting at it lifts held-out top-1 from 98.1 to 98.9 % (the float weights saw these images).
    return Recipe(
        name="cifar10_resnet20_adq",
        data=_cifar_data(),
        model=_cifar_model(20),
        quant=QuantConfig(
            mode="fakequant",
            weight_width=4,
            act_width=4,
            lloyd_steps=20,
            calibration_images=4096,
        ),
        optim=OptimConfig(lr=0.01, warmup_steps=40),
        train=TrainConfig(epochs=2, batch_size=128),
    )


def cifar10_resnet20_w4a4() -> Recipe:
    """ResNet-20 at W4/A4: ADQ, --init ResNet-20, --teacher ResNet-56; a GPU, or days."""
    return _cifar_long("cifar10_resnet20_w4a4", 4, epochs=80, weight_decay=1e-4)


def cifar10_resnet20_w3a3() -> Recipe:
    """ResNet-20 at W3/A3: as W4/A4; start from its result or from the float weights."""
    return _cifar_long("cifar10_resnet20_w3a3", 3, epochs=80, weight_decay=1e-4)


def cifar10_resnet20_w2a2() -> Recipe:
    """ResNet-20 at W2/A2: longer, less decay (papers.md 5.2), start from W3/A3 if there is one."""
    return _cifar_long("cifar10_resnet20_w2a2", 2, epochs=100, weight_decay=3e-5)


def cifar10_resnet20_mixed281_a4() -> Recipe:
    """ResNet-20, 2/3/4-bit weights at 2.81 bits on average, chosen by Fisher sensitivity; A4."""
    recipe = _cifar_long("cifar10_resnet20_mixed281_a4", 4, epochs=80, weight_decay=1e-4)
    return replace(recipe, quant=replace(recipe.quant, average_weight_bits=2.81))


def _cifar_long(name: str, width: int, *, epochs: int, weight_decay: float) -> Recipe:
    # batch, momentum, augmentation and peak rate as APoT's CIFAR recipe (papers.md 5.2), cosine
    # instead of steps, and a teacher (papers.md section 7, rows 18 and 19)
    return Recipe(
        name=name,
        data=_cifar_data(),
        model=_cifar_model(20),
        quant=QuantConfig(
            mode="fakequant",
            weight_width=width,
            act_width=width,
            lloyd_steps=20,
            calibration_images=4096,
        ),
        optim=OptimConfig(lr=0.04, warmup_steps=350, weight_decay=weight_decay),
        distill=DistillConfig(mode="kl", weight=0.5, temperature=2.0),
        train=TrainConfig(epochs=epochs, batch_size=128, device="auto", log_steps=100),
    )


def names() -> list[str]:
    """Return the names of all recipes."""
    return list(_RECIPES)


def get(name: str) -> Recipe:
    """Return the recipe called `name`."""
    if name not in _RECIPES:
        close = difflib.get_close_matches(name, _RECIPES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_RECIPES)}"
        raise InputError(f"Recipe must be a known one, not {name!r}; {hint}")
    return _RECIPES[name]()


def summary(name: str) -> str:
    """Return the one-line description of a recipe (its docstring)."""
    return (_RECIPES[name].__doc__ or "").strip()


def _digits_model() -> ModelConfig:
    return ModelConfig(depth=8, width=8, image=(1, 8, 8), mean=(0.3,), std=(0.35,))


def _cifar_model(depth: int) -> ModelConfig:
    return ModelConfig(depth=depth, width=16, image=(3, 32, 32), mean=_CIFAR_MEAN, std=_CIFAR_STD)


def _cifar_data() -> DataConfig:
    return DataConfig(name="cifar10", crop_padding=4, flip=True)


_RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        digits_resnet8_float,
        digits_resnet8_adq,
        cifar10_resnet20_float,
        cifar10_resnet20_adq,
        cifar10_resnet20_w4a4,
        cifar10_resnet20_w3a3,
        cifar10_resnet20_w2a2,
        cifar10_resnet20_mixed281_a4,
    )
}
