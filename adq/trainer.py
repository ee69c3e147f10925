"""The training loop, to be read from top to bottom.

Bit-exact resume rests on three facts: a batch is a pure function of (seed, epoch, step); everything
else that changes is in the checkpoint (model state, momentum, step, running sums); and torch splits
its sums alike as long as the number of threads is the same, which is why it is part of the recipe.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..spec.errors import InputError
from . import datasets, evaluate, preparation
from .answers import Answers
from .batches import batches
from .config import OptimConfig, Recipe
from .distill import distillation_loss, load_teacher
from .run_folder import Existing, RunFolder
from .run_state import Run, diverged, keep_best, resume, save, start
from .tensors import reuse_heap


class Observer:
    """Hears how a run goes; the command line shows it as a progress bar. Does nothing by itself."""

    def stage(self, text: str) -> None:
        """Hear that something of some length begins outside the loop."""

    def begin(self, *, done: int, total: int) -> None:
        """Hear how many optimizer steps were done before (resume) and how many there are."""

    def step(self, *, step: int, loss: float, lr: float) -> None:
        """Hear about one optimizer step."""

    def epoch(self, record: dict[str, Any]) -> None:
        """Hear the line of metrics.jsonl at the end of an epoch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Lengths of a run in optimizer steps."""

    epoch: int
    total: int
    freeze: int
    """The step before which codebooks freeze; with frozen codebooks a state can be exported."""

    @classmethod
    def of(cls, recipe: Recipe, images: int) -> "Schedule":
        """Return the schedule for so many training images; the last batch may be smaller."""
        epoch = math.ceil(images / recipe.train.batch_size)
        total = recipe.train.epochs * epoch
        frozen = round(recipe.quant.freeze_fraction * total) if quantized(recipe) else total
        return cls(epoch=epoch, total=total, freeze=total - frozen)


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    data_folder: str | Path | None = None,
    init: str | Path | None = None,
    teacher: str | Path | None = None,
    answers: str | Path | None = None,
    existing: Existing = "refuse",
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Train as `recipe` says, leave the files of `RunFolder` in `folder`, return final metrics.

    `init`: weights to start from; `teacher`: network to distil from (`DistillConfig`); `answers`:
    folder that keeps what the teacher said, for runs that will show it the same batches.
    """
    observer = observer or Observer()
    files = RunFolder(path=Path(folder))
    files.prepare(existing)
    recipe = preparation.on_device(recipe)
    make_deterministic(recipe)
    reuse_heap()
    data = {split: datasets.load(recipe.data.name, split, data_folder) for split in datasets.SPLITS}
    training = data["train"] = data["train"].take(recipe.data.limit)
    master = load_teacher(recipe, teacher)
    if files.checkpoint.exists():
        run = resume(recipe, files, master)
    else:
        run = start(recipe, files, training, init, master, observer.stage)
    if master is not None:
        run.answers = Answers(master, recipe, answers)
    schedule = Schedule.of(recipe, len(training))
    fetch = batches(training, recipe, torch.device(recipe.train.device))
    observer.begin(done=run.step, total=schedule.total)
    while run.step < schedule.total:
        train_step(run, files, fetch, schedule, observer)
        if run.step % schedule.epoch == 0:
            end_epoch(run, files, data["validation"], schedule, observer)
        elif run.step % recipe.train.checkpoint_steps == 0:
            save(run, files)
    if not run.metrics["finished"]:
        finish(run, files, data, observer)
    return run.metrics["final"]


def train_step(
    run: Run,
    files: RunFolder,
    fetch: Callable[[int, int], tuple[Tensor, Tensor]],
    schedule: Schedule,
    observer: Observer,
) -> None:
    """Do one step: batch, gradient, codebooks (freezing them in time), log."""
    recipe = run.recipe
    epoch, index = divmod(run.step, schedule.epoch)
    if quantized(recipe) and run.step == schedule.freeze:
        run.model.freeze_codebooks()
    lr = learning_rate(recipe.optim, run.step, schedule.total)
    images, labels = fetch(epoch, index)
    taught = None
    if run.answers is not None:
        taught = run.answers(epoch, index, images, last=index + 1 == schedule.epoch)
    loss = descend(run, images, labels, taught, lr)
    if not math.isfinite(loss):
        raise InputError(diverged(files, f"loss must be finite, not {loss}", run.step, lr))
    if quantized(recipe):
        run.model.update_codebooks()  # an EMA step toward the new weights; none when frozen
    run.step += 1
    run.metrics["loss_sum"] += loss
    observer.step(step=run.step, loss=loss, lr=lr)
    if run.step % recipe.train.log_steps == 0:
        files.write_log({"step": run.step, "loss": loss, "lr": lr})


def descend(run: Run, images: Tensor, labels: Tensor, taught: Tensor | None, lr: float) -> float:
    """Do one optimizer update on uint8 images (N, C, H, W); return the batch's mean loss.

    ``taught``: the teacher's logits (N, classes), if there is one.
    """
    run.model.train()
    for group in run.optimizer.param_groups:
        group["lr"] = lr * group["factor"]
    run.optimizer.zero_grad()
    recipe = run.recipe
    try:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=recipe.train.amp):
            logits = run.model(images).float()
    except FloatingPointError:  # a quantizer met NaN before the loss could
        return math.nan
    smoothing = recipe.optim.label_smoothing
    loss = distillation_loss(logits, labels, taught, recipe.distill, smoothing)
    value = loss.item()
    if math.isfinite(value):
        loss.backward()
        run.optimizer.step()
    return value


def learning_rate(config: OptimConfig, step: int, total: int) -> float:
    """Return the rate of one step: linear warm-up, then half a cosine down to zero at `total`."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    part = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * part))


def end_epoch(
    run: Run,
    files: RunFolder,
    validation: datasets.Dataset,
    schedule: Schedule,
    observer: Observer,
) -> None:
    """Measure on held-out images, log, keep the best state that can be exported, checkpoint."""
    run.epoch = run.step // schedule.epoch
    record = {
        "step": run.step,
        "epoch": run.epoch,
        "loss": run.metrics["loss_sum"] / schedule.epoch,
        "validation_top1": evaluate.model_top1(run.model, validation, run.recipe.quant.mode),
    }
    run.metrics["loss_sum"] = 0.0
    files.write_log(record)
    observer.epoch(record)
    if not quantized(run.recipe) or run.model.codebooks_frozen:  # it can be exported
        keep_best(run, files, record["validation_top1"])
    save(run, files)


def finish(
    run: Run, files: RunFolder, data: dict[str, datasets.Dataset], observer: Observer
) -> None:
    """Refresh batch-norm statistics of quantized networks, measure, write the final state."""
    mode = run.recipe.quant.mode
    if quantized(run.recipe):
        observer.stage("batch-norm statistics")
        run.model.freeze_codebooks()
        preparation.refresh_batch_norm(run.model, run.recipe, data["train"])
    observer.stage("test images")
    run.metrics["final"] = {
        "recipe": run.recipe.name,
        "steps": run.step,
        "validation_top1": evaluate.model_top1(run.model, data["validation"], mode),
        "test_top1": evaluate.model_top1(run.model, data["test"], mode),
    }
    run.metrics["finished"] = True
    keep_best(run, files, run.metrics["final"]["validation_top1"])
    files.write_log({"step": run.step, **run.metrics["final"]})
    save(run, files)


def make_deterministic(recipe: Recipe) -> None:
    """Seed torch, fix its number of threads, refuse operations without a deterministic form."""
    torch.manual_seed(recipe.train.seed)
    torch.set_num_threads(recipe.train.threads)
    torch.set_deterministic_debug_mode("error")
    # else torch fills every new tensor with NaN first: a fifth of a step, and nothing here reads
    # memory that it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False


def quantized(recipe: Recipe) -> bool:
    """Return whether the recipe trains with quantizers."""
    return recipe.quant.mode != "float"
