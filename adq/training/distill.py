"""Knowledge distillation: the teacher, and the loss against its logits.

docs/papers.md 7, row 18: ``(1 - l) * CE + l * T^2 * KL(teacher || student)`` at temperature T
(Hinton et al., 2015), or N2UQ's soft cross entropy alone (section 3.4: no label, T = 1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.digests import json_digest
from ..models.build import restored
from ..networks import pretrained
from ..networks.weights_file import read_tensors
from ..recipes.config import DistillConfig, Recipe
from ..runs import checkpoint
from ..tensors import NotANumberError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Teacher:
    """A network for inference only, and its digest, which a resumed run compares.

    ``model`` is a `Network`, or another function of images to logits: an integer program.
    """

    model: Callable[[Tensor], Tensor]
    digest: str

    def logits(self, images: Tensor, amp: bool = False) -> Tensor:
        """Real-valued logits (N, classes) of uint8 images (N, C, H, W), without gradients."""
        try:
            with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=amp):
                logits = self.model(images).float()
        except NotANumberError as error:
            raise InputError(f"Teacher must compute finite numbers: {error}") from error
        if not torch.isfinite(logits).all():
            raise InputError("Teacher must answer with finite logits, not NaN or infinite ones")
        return logits


def load_teacher(recipe: Recipe, path: str | Path | Teacher | None) -> Teacher | None:
    """Return the teacher of the recipe: a checkpoint of `adqhw train` or foreign weights.

    A `Teacher` is taken as it is.
    """
    if recipe.distill.mode == "off":
        if path is not None:
            raise InputError("--teacher must go with distill.mode kl or soft, not off")
        return None
    if path is None:
        raise InputError(
            f"Recipe {recipe.name} must have a teacher (distill.mode={recipe.distill.mode}): pass "
            "--teacher FILE, or --set distill.mode=off"
        )
    if isinstance(path, Teacher):
        return path
    tensors, metadata = read_tensors(path)
    what = f"--teacher {str(path)!r}"
    if checkpoint.FORMAT in metadata:
        model = restored(checkpoint.load(path), what)
    else:
        try:
            model = pretrained.load_pretrained(path)
        except InputError as error:
            raise InputError(f"{what} must be a network's weights: {error}") from error
    config = model.config
    check_fits((*config.input_shape, config.classes), recipe, path)
    return Teacher(
        model=model.to(recipe.train.device).eval().requires_grad_(False),
        digest=checkpoint.tensors_digest(tensors),
    )


def together(teachers: Sequence[Teacher]) -> Teacher:
    """One teacher whose logits are the mean of those of `teachers`.

    The mean of logits is the geometric mean of the teachers' probabilities, at every temperature.
    """
    if len(teachers) == 1:
        return teachers[0]
    teachers = sorted(teachers, key=lambda teacher: teacher.digest)  # sums of one order
    digests = [teacher.digest for teacher in teachers]
    twice = [digest for digest in digests if digests.count(digest) > 1]
    if twice:
        raise InputError(f"--teacher must name different networks, not one twice ({twice[0]})")

    def mean(images: Tensor) -> Tensor:
        return torch.stack([teacher.model(images).float() for teacher in teachers]).mean(0)

    return Teacher(model=mean, digest=json_digest(digests))


def check_fits(actual: tuple[int, ...], recipe: Recipe, path: str | Path) -> None:
    """Refuse a teacher of other (channels, height, width, classes) than the recipe's network."""
    wanted = *recipe.model.image, recipe.model.classes
    if actual != wanted:
        raise InputError(
            f"--teacher {str(path)!r} must have (channels, height, width, classes) {wanted}, "
            f"not {actual}"
        )


def distillation_loss(
    logits: Tensor,
    labels: Tensor,
    teacher_logits: Tensor | None,
    config: DistillConfig,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean loss of a batch; logits (N, classes), labels (N,) int64; no teacher: cross entropy."""
    if teacher_logits is None or config.mode == "off":
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    match config.mode:
        case "soft":
            return F.cross_entropy(logits, teacher_logits.softmax(1))
        case "kl":
            temperature = config.temperature
            divergence = F.kl_div(
                (logits / temperature).log_softmax(1),
                (teacher_logits / temperature).log_softmax(1),
                reduction="batchmean",
                log_target=True,
            )
            hard = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
            # T^2 restores the size of the gradient: that of softmax(z / T) is smaller by it
            return (1 - config.weight) * hard + config.weight * temperature**2 * divergence
        case unknown:
            assert_never(unknown)
