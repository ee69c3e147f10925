"""State of a training run: made fresh, taken up again from a checkpoint, and saved."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..spec.errors import InputError
from . import checkpoint, preparation
from .allocation_report import plot
from .answers import Answers
from .config import OptimConfig, Recipe
from .datasets import Dataset
from .distill import Teacher
from .resnet import ResNet
from .run_folder import RunFolder


@dataclass(kw_only=True, slots=True)
class Run:
    """What changes while training. `metrics` holds JSON values only and is part of a checkpoint."""

    recipe: Recipe
    model: ResNet
    optimizer: torch.optim.Optimizer
    step: int = 0
    epoch: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    answers: Answers | None = None


def start(
    recipe: Recipe,
    files: RunFolder,
    training: Dataset,
    init: str | Path | None,
    teacher: Teacher | None,
    stage: Callable[[str], None],
) -> Run:
    """Build the model, load `init`, set the quantizers from data, write the first checkpoint."""
    prepared = preparation.prepare(recipe, training, init, stage)
    if prepared.report is not None:
        prepared.report.write(files.allocation)
        plot(prepared.report, files.picture)
    metrics = {"loss_sum": 0.0, "best": None, "finished": False, "init": prepared.init_digest}
    if teacher is not None:
        metrics["teacher"] = teacher.digest
    run = Run(
        recipe=prepared.recipe,
        model=prepared.model,
        optimizer=make_optimizer(prepared.model, recipe.optim),
        metrics=metrics,
    )
    save(run, files)
    files.rewind_log(-1, finished=False)
    return run


def resume(recipe: Recipe, files: RunFolder, teacher: Teacher | None = None) -> Run:
    """Return the run of the folder's checkpoint, which must be a run of the same recipe."""
    state = checkpoint.load(files.checkpoint)
    preparation.check_same_run(recipe, state.recipe, str(files.path))
    taught = state.metrics.get("teacher")
    if teacher is not None and teacher.digest != taught:
        raise InputError(
            f"--teacher must be the one of the run in {str(files.path)!r} (digest {taught}), "
            f"not digest {teacher.digest}"
        )
    device = state.recipe.train.device
    model = preparation.build(state.recipe).to(device)
    model.load_state_dict(state.model)
    optimizer = make_optimizer(model, state.recipe.optim)
    for name, parameter in model.named_parameters():
        if name in state.momentum:
            optimizer.state[parameter]["momentum_buffer"] = state.momentum[name].to(device)
    files.rewind_log(state.step, state.finished)
    return Run(
        recipe=state.recipe,
        model=model,
        optimizer=optimizer,
        step=state.step,
        epoch=state.epoch,
        metrics=dict(state.metrics),
    )


def make_optimizer(model: ResNet, config: OptimConfig) -> torch.optim.SGD:
    """Return SGD over three groups: decayed weights, the rest, and quantizers at a lower rate."""
    groups = preparation.parameter_groups(model)
    return torch.optim.SGD(
        [
            {"params": groups["weight"], "weight_decay": config.weight_decay, "factor": 1.0},
            {"params": groups["plain"], "weight_decay": 0.0, "factor": 1.0},
            {
                "params": groups["quantizer"],
                "weight_decay": 0.0,
                "factor": config.quantizer_lr_factor,
            },
        ],
        lr=config.lr,
        momentum=config.momentum,
    )


def save(run: Run, files: RunFolder, path: Path | None = None) -> None:
    """Write the state of the run; a state with non-finite numbers never replaces a good one."""
    state = run.model.state_dict()
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise InputError(diverged(files, f"{name} must be finite", run.step, None))
    momentum = {
        name: run.optimizer.state[parameter]["momentum_buffer"]
        for name, parameter in run.model.named_parameters()
        if run.optimizer.state.get(parameter, {}).get("momentum_buffer") is not None
    }
    record = checkpoint.Checkpoint(
        recipe=run.recipe,
        step=run.step,
        epoch=run.epoch,
        model=state,
        momentum=momentum,
        metrics=run.metrics,
    )
    checkpoint.save(record, path or files.checkpoint)


def keep_best(run: Run, files: RunFolder, top1: float) -> None:
    """Write best.safetensors if no earlier state was better on held-out images."""
    best = run.metrics["best"]
    if best is None or top1 >= best["validation_top1"]:
        run.metrics["best"] = {"step": run.step, "validation_top1": top1}
        save(run, files, files.best)


def diverged(files: RunFolder, what: str, step: int, lr: float | None) -> str:
    """Return the message of a run that left the finite numbers."""
    rate = "" if lr is None else f" (learning rate {lr:g})"
    kept = f"; the checkpoint before it is intact: {files.checkpoint}" if step else ""
    return f"Training diverged at step {step}{rate}: {what}{kept}; try a lower optim.lr"
