"""Lengths and rates of a training run: pure functions of its recipe."""

import math
from dataclasses import dataclass

from ...spec.errors import InputError
from ..recipes.config import OptimConfig, Recipe

CONSTANTS = 25
"""Time constants of the codebooks' average in a run: they forget their start and lag little."""
SHORTEST, LONGEST = 5, 200
"""Steps of that time constant."""


def codebook_decay(steps: int) -> float:
    """EMA decay of codebooks that adapt for so many steps.

    >>> codebook_decay(2500), codebook_decay(100_000)
    (0.99, 0.995)
    """
    return 1.0 - 1.0 / min(max(steps / CONSTANTS, SHORTEST), LONGEST)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Lengths of a run in optimizer steps."""

    epoch: int
    total: int
    freeze: int
    """The step before which codebooks freeze; with frozen codebooks a state can be exported."""

    @property
    def decay(self) -> float:
        """Of the codebooks' average, where the recipe leaves it open."""
        return codebook_decay(self.freeze)

    @classmethod
    def of(cls, recipe: Recipe, images: int, ranks: int = 1) -> "Schedule":
        """Return the schedule for so many training images; the last batch may be smaller."""
        size = recipe.train.batch_size
        least = min(size, images, images % size or size)
        if least < ranks:
            raise InputError(
                f"Smallest batch must have an image for each of {ranks} processes, not {least} "
                f"images (of {images}, train.batch_size={size})"
            )
        epoch = math.ceil(images / recipe.train.batch_size)
        total = recipe.train.epochs * epoch
        frozen = round(recipe.quant.freeze_fraction * total) if recipe.quant.quantized else total
        return cls(epoch=epoch, total=total, freeze=total - frozen)


def learning_rate(config: OptimConfig, step: int, total: int) -> float:
    """Return the rate of one step: linear warm-up, then half a cosine down to zero at `total`."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    part = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * part))
