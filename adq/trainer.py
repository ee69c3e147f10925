"""The training loop, to be read from top to bottom.

Bit-exact resume rests on three facts: a batch is a pure function of (seed, epoch, step); everything
else that changes is in the checkpoint (model state, momentum, step, running sums); and torch splits
its sums alike as long as the number of threads is the same, which is why it is part of the recipe.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..spec.errors import InputError
from . import checkpoint, datasets, evaluate, preparation
from .augment import training_batch
from .config import OptimConfig, Recipe
from .run_folder import Existing, RunFolder
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


@dataclasses.dataclass(kw_only=True, slots=True)
class Run:
    """What changes while training. `metrics` holds JSON values only and is part of a checkpoint."""

    recipe: Recipe
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    epoch: int = 0
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    data_folder: str | Path | None = None,
    init: str | Path | None = None,
    existing: Existing = "refuse",
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Train as `recipe` says, leave the files of `RunFolder` in `folder`, return final metrics."""
    observer = observer or Observer()
    files = RunFolder(path=Path(folder))
    files.prepare(existing)
    make_deterministic(recipe)
    reuse_heap()
    data = {split: datasets.load(recipe.data.name, split, data_folder) for split in datasets.SPLITS}
    training = data["train"].take(recipe.data.limit)
    if files.checkpoint.exists():
        run = resume(recipe, files)
    else:
        run = start(recipe, files, training, init, observer)

    batch_size = recipe.train.batch_size
    per_epoch = math.ceil(len(training) / batch_size)
    total = recipe.train.epochs * per_epoch
    freeze_step = total - round(recipe.quant.freeze_fraction * total)
    observer.begin(done=run.step, total=total)
    while run.step < total:
        epoch, index = divmod(run.step, per_epoch)
        if quantized(recipe) and run.step == freeze_step:
            run.model.freeze_codebooks()
        images, labels = training_batch(
            training,
            batch_size=batch_size,
            padding=recipe.data.crop_padding,
            flip=recipe.data.flip,
            seed=recipe.train.seed,
            epoch=epoch,
            step=index,
        )
        lr = learning_rate(recipe.optim, run.step, total)
        loss = take_step(run, torch.from_numpy(images), torch.from_numpy(labels), lr)
        if not math.isfinite(loss):
            raise InputError(diverged(files, f"loss must be finite, not {loss}", run.step, lr))
        if quantized(recipe) and run.step < freeze_step:
            run.model.update_codebooks()
        run.step += 1
        run.metrics["loss_sum"] += loss
        observer.step(step=run.step, loss=loss, lr=lr)
        if run.step % recipe.train.log_steps == 0:
            files.write_log({"step": run.step, "loss": loss, "lr": lr})
        if run.step % per_epoch == 0:
            exportable = not quantized(recipe) or run.step > freeze_step
            end_epoch(run, files, data["validation"], per_epoch, exportable, observer)
        elif run.step % recipe.train.checkpoint_steps == 0:
            save(run, files)
    if not run.metrics["finished"]:
        finish(run, files, data, observer)
    return run.metrics["final"]


def make_deterministic(recipe: Recipe) -> None:
    """Seed torch, fix its number of threads, refuse operations without a deterministic form."""
    torch.manual_seed(recipe.train.seed)
    torch.set_num_threads(recipe.train.threads)
    torch.use_deterministic_algorithms(True)


def quantized(recipe: Recipe) -> bool:
    """Return whether the recipe trains with quantizers."""
    return recipe.quant.mode != "float"


def start(
    recipe: Recipe,
    files: RunFolder,
    training: datasets.Dataset,
    init: str | Path | None,
    observer: Observer,
) -> Run:
    """Build the model, load `init`, set the quantizers from data, write the first checkpoint."""
    prepared = preparation.prepare(recipe, training, init, observer.stage)
    metrics = {"loss_sum": 0.0, "best": None, "finished": False, "init": prepared.init_digest}
    run = Run(
        recipe=prepared.recipe,
        model=prepared.model,
        optimizer=make_optimizer(prepared.model, recipe.optim),
        metrics=metrics,
    )
    save(run, files)
    files.rewind_log(-1, finished=False)
    return run


def resume(recipe: Recipe, files: RunFolder) -> Run:
    """Return the run of the folder's checkpoint, which must be a run of the same recipe."""
    state = checkpoint.load(files.checkpoint)
    preparation.check_same_run(recipe, state.recipe, str(files.path))
    model = preparation.build(state.recipe)
    model.load_state_dict(state.model)
    optimizer = make_optimizer(model, state.recipe.optim)
    for name, parameter in model.named_parameters():
        if name in state.momentum:
            optimizer.state[parameter]["momentum_buffer"] = state.momentum[name]
    files.rewind_log(state.step, state.finished)
    return Run(
        recipe=state.recipe,
        model=model,
        optimizer=optimizer,
        step=state.step,
        epoch=state.epoch,
        metrics=dict(state.metrics),
    )


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.SGD:
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


def learning_rate(config: OptimConfig, step: int, total: int) -> float:
    """Return the rate of one step: linear warm-up, then half a cosine down to zero at `total`."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    part = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * part))


def take_step(run: Run, images: Tensor, labels: Tensor, lr: float) -> float:
    """Do one optimizer step on uint8 images (N, C, H, W); return the batch's mean loss."""
    run.model.train()
    for group in run.optimizer.param_groups:
        group["lr"] = lr * group["factor"]
    run.optimizer.zero_grad()
    smoothing = run.recipe.optim.label_smoothing
    try:
        logits = run.model(images)
    except FloatingPointError:  # a quantizer met NaN before the loss could
        return math.nan
    loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    value = loss.item()
    if math.isfinite(value):
        loss.backward()
        run.optimizer.step()
    return value


def end_epoch(
    run: Run,
    files: RunFolder,
    validation: datasets.Dataset,
    per_epoch: int,
    exportable: bool,
    observer: Observer,
) -> None:
    """Measure on held-out images, log, keep the best state that can be exported, checkpoint."""
    run.epoch = run.step // per_epoch
    record = {
        "step": run.step,
        "epoch": run.epoch,
        "loss": run.metrics["loss_sum"] / per_epoch,
        "validation_top1": evaluate.model_top1(run.model, validation, run.recipe.quant.mode),
    }
    run.metrics["loss_sum"] = 0.0
    files.write_log(record)
    observer.epoch(record)
    if exportable:
        keep_best(run, files, record["validation_top1"])
    save(run, files)


def keep_best(run: Run, files: RunFolder, top1: float) -> None:
    """Write best.safetensors if no earlier state was better on held-out images."""
    best = run.metrics["best"]
    if best is None or top1 >= best["validation_top1"]:
        run.metrics["best"] = {"step": run.step, "validation_top1": top1}
        save(run, files, files.best)


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


def diverged(files: RunFolder, what: str, step: int, lr: float | None) -> str:
    """Return the message of a run that left the finite numbers."""
    rate = "" if lr is None else f" (learning rate {lr:g})"
    kept = f"; the checkpoint before it is intact: {files.checkpoint}" if step else ""
    return f"Training diverged at step {step}{rate}: {what}{kept}; try a lower optim.lr"
