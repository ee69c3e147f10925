"""State of a training run: made, restored from a checkpoint, saved."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ..allocation.report import plot
from ..data.dataset import Dataset
from ..models.build import restored
from ..models.init import Init, origin
from ..networks.network import Network
from ..networks.state_check import check_numbers
from ..ranks import Ranks
from ..recipes.config import Recipe
from ..runs import checkpoint
from ..runs.run_folder import RunFolder
from . import preparation, resumed
from .answers import Answers
from .average import Average
from .board import Board
from .distill import Teacher
from .optimizers import adam_state, make_optimizer, momentum, restore
from .watch import LossWatch


@dataclass(kw_only=True, slots=True)
class Run:
    """State of training. `metrics` holds JSON values only and is part of a checkpoint."""

    recipe: Recipe
    model: Network
    optimizer: torch.optim.Optimizer
    forward: nn.Module
    """The callable of training steps: the model, compiled or distributed if the recipe requires."""
    step: int = 0
    epoch: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    answers: Answers | None = None
    ranks: Ranks = field(default_factory=Ranks)
    average: Average | None = None
    board: Board | None = None
    watch: LossWatch | None = None
    fault: str | None = None
    """Where a quantizer met NaN, for the message of a diverged run."""


def start(
    recipe: Recipe,
    files: RunFolder,
    training: Dataset,
    init: Init | str | Path | None,
    teacher: Teacher | None,
    stage: Callable[[str], None],
    ranks: Ranks,
    note: Callable[[str], None] = lambda text: None,
) -> Run:
    """Build the model, load `init`, set the quantizers from data, write the first checkpoint."""
    prepared = preparation.prepare(recipe, training, init, stage, note)
    if prepared.report is not None:
        prepared.report.write(files.allocation)
        plot(prepared.report, files.picture)
    metrics = {"loss_sum": 0.0, "best": None, "finished": False, "init": prepared.init_digest}
    if teacher is not None:
        metrics["teacher"] = teacher.digest
    if ranks.count > 1:
        metrics["processes"] = ranks.count
    run = Run(
        recipe=prepared.recipe,
        model=prepared.model,
        optimizer=make_optimizer(prepared.model, recipe.optim),
        forward=prepared.model,
        metrics=metrics,
        ranks=ranks,
    )
    prepare_steps(run, {})
    check_numbers(run.model.state_dict(), origin(init))
    save(run, files)
    files.rewind_log(-1, finished=False)
    return run


def prepare_steps(run: Run, extra: dict[str, Tensor]) -> None:
    """Add the parts for training steps to a run's model; ``extra`` as in a checkpoint."""
    recipe, model, ranks = run.recipe, run.model, run.ranks
    if recipe.train.compile:
        run.forward = cast(nn.Module, torch.compile(model))
    if ranks.count > 1:
        for unit, _ in model.norms():
            unit.shared = recipe.train.sync_batch_norm
        ranks.check_same(learned_digest(run), "Networks at the start")
        # a float network leaves the parameters of its quantizers alone
        unused = not recipe.quant.quantized
        run.forward = ranks.spread(run.forward, unused=unused)
    if recipe.optim.average:
        kept = _named(extra, "average")
        run.average = Average(model, recipe.optim.average, kept or None)


def learned_digest(run: Run) -> str:
    """Digest of everything that has to be the same on all ranks (not their own statistics)."""
    own = (".running_mean", ".running_var", ".num_batches_tracked")
    state = {n: t for n, t in run.model.state_dict().items() if not n.endswith(own)}
    return checkpoint.tensors_digest(state)


def _named(extra: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {n.removeprefix(f"{kind}."): t for n, t in extra.items() if n.startswith(f"{kind}.")}


def resume(
    recipe: Recipe, files: RunFolder, teacher: Teacher | None = None, ranks: Ranks | None = None
) -> Run:
    """Return the run of the folder's checkpoint, which must be a run of the same recipe."""
    state = checkpoint.load(files.checkpoint)
    what = f"Checkpoint {str(files.checkpoint)!r}"
    resumed.check_metrics(state, what)
    preparation.check_same_run(recipe, state.recipe, str(files.path))
    taught = state.metrics.get("teacher")
    if teacher is not None and teacher.digest != taught:
        raise InputError(
            f"--teacher must be the one of the run in {str(files.path)!r} (digest {taught}), "
            f"not digest {teacher.digest}"
        )
    ranks = ranks or Ranks()
    processes = state.metrics.get("processes", 1)
    if processes != ranks.count:
        raise InputError(
            f"--resume must continue the run in {str(files.path)!r} in {processes} processes "
            f"(torchrun --nproc-per-node {processes}), not {ranks.count}"
        )
    model = restored(state, what, recipe.model.factory or None).to(state.recipe.train.device)
    resumed.check_buffers(state, model, what)
    optimizer = make_optimizer(model, state.recipe.optim)
    restore(optimizer, model, state.momentum, state.extra)
    files.rewind_log(state.step, state.finished)
    run = Run(
        recipe=state.recipe,
        model=model,
        optimizer=optimizer,
        forward=model,
        step=state.step,
        epoch=state.epoch,
        metrics=dict(state.metrics),
        ranks=ranks,
    )
    prepare_steps(run, state.extra)
    return run


def save(run: Run, files: RunFolder, path: Path | None = None) -> None:
    """Write the state of the run; a state with non-finite numbers never replaces a good one."""
    if not files.writes:
        return
    if run.board is not None:
        run.board.flush()
    state = run.model.state_dict()
    try:
        check_numbers(state, "")
    except InputError as error:
        raise InputError(diverged(files, str(error).strip(), run.step, None)) from error
    extra = adam_state(run.optimizer, run.model)
    if run.average is not None:
        extra |= {f"average.{name}": tensor for name, tensor in run.average.tensors.items()}
    record = checkpoint.Checkpoint(
        recipe=run.recipe,
        step=run.step,
        epoch=run.epoch,
        model=state,
        momentum=momentum(run.optimizer, run.model),
        extra=extra,
        metrics=run.metrics,
    )
    checkpoint.save(record, path or files.checkpoint)


def keep_best(run: Run, files: RunFolder, top1: float | None) -> None:
    """Write best.safetensors if no earlier state was better on held-out images (None: the last)."""
    best = run.metrics["best"]
    if best is None or top1 is None or top1 >= best["validation_top1"]:
        run.metrics["best"] = {"step": run.step, "validation_top1": top1}
        save(run, files, files.best)


def diverged(files: RunFolder, what: str, step: int, lr: float | None) -> str:
    """Return the message of a run whose numbers are not finite."""
    rate = "" if lr is None else f" (learning rate {lr:g})"
    kept = f"; the checkpoint before it is intact: {files.checkpoint}" if step else ""
    return f"Training diverged at step {step}{rate}: {what}{kept}; try a lower optim.lr"
