"""One optimizer update on one batch, in parts and over ranks."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..networks import winograd
from ..tensors import NotANumberError
from .distill import distillation_loss
from .run_state import Run
from .schedule import Schedule


class Part(NamedTuple):
    """Images that go through the network together."""

    images: Tensor
    """uint8 (N, C, H, W)."""
    labels: Tensor
    taught: Tensor | None
    """The teacher's logits (N, classes), if there is one."""
    share: float
    """Of the images of the whole batch, over all ranks."""


def parts_of(run: Run, batch: tuple[Tensor, Tensor], schedule: Schedule) -> list[Part]:
    """This rank's share of the step's batch, in the recipe's number of parts.

    Parts are contiguous; their number is the same on all ranks, which communicate in each of them.
    """
    epoch, index = divmod(run.step, schedule.epoch)
    images, labels = batch
    size, answers, last = len(labels), run.answers, index + 1 == schedule.epoch
    taught = None
    if answers is not None and answers.folder is not None:  # its files hold whole batches
        taught = run.ranks.part(answers(epoch, index, images, last=last))
    images, labels = run.ranks.part(images), run.ranks.part(labels)
    if answers is not None and taught is None:
        taught = answers(epoch, index, images, last=last)
    count = min(run.recipe.train.accumulate, size // run.ranks.count)
    answered = [None] * count if taught is None else taught.tensor_split(count)
    return [
        Part(*tensors, share=len(tensors[1]) / size)
        for tensors in zip(
            images.tensor_split(count), labels.tensor_split(count), answered, strict=True
        )
    ]


def descend(run: Run, parts: list[Part], lr: float) -> float:
    """Do one optimizer update on a batch; return its mean loss, the same on all ranks."""
    run.model.train()
    for group in run.optimizer.param_groups:
        group["lr"] = lr * group["factor"]
    run.optimizer.zero_grad()
    mean = 0.0
    for part in parts:
        # ranks exchange gradients with the last part; torch averages them, a batch is their sum
        with run.ranks.alone(run.forward, part is not parts[-1]):
            loss = part_loss(run, part)
            mean += run.ranks.total((math.nan if loss is None else loss.item()) * part.share)
            if loss is None or not math.isfinite(mean):
                return mean
            weight = part.share * run.ranks.count
            (loss if weight == 1.0 else loss * weight).backward()
    run.optimizer.step()
    return mean


def part_loss(run: Run, part: Part) -> Tensor | None:
    """Mean loss of a part's images; None if a quantizer met NaN."""
    recipe = run.recipe
    try:
        with (
            torch.autocast(part.images.device.type, torch.bfloat16, enabled=recipe.train.amp),
            winograd.allowed(recipe.train.winograd),
        ):
            logits = run.forward(part.images).float()
    except NotANumberError as error:
        run.fault = str(error)
        return None
    smoothing = recipe.optim.label_smoothing
    return distillation_loss(logits, part.labels, part.taught, recipe.distill, smoothing)
