"""The training loop, to be read from top to bottom.

Bit-exact resume follows from three facts: a batch is a pure function of (seed, epoch, step); all
else that changes is in the checkpoint (model state, momentum, step, running sums); and torch splits
its sums alike as long as the number of threads is the same, which is why it is part of the recipe.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...spec.errors import DiskFullError, InputError
from ...spec.host.locks import sole_owner
from ..data import datasets, torch_items
from ..data.arrays import Codes
from ..data.batches import batches
from ..data.dataset import Dataset, Split
from ..data.decided import decided
from ..data.torch_items import Items
from ..integers.folding import FoldError
from ..models.build import nodes_of
from ..models.init import Init
from ..models.own import settled
from ..networks.accumulators import fit
from ..networks.network import Network
from ..ranks import RankLostError, Ranks, joined
from ..recipes.config import Recipe
from ..recipes.demands import check_last_batch, demand_steps
from ..runs.run_folder import Existing, RunFolder
from ..tensors import NotANumberError, reuse_heap
from . import evaluate, preparation
from .answers import Answers
from .board import Board
from .descent import descend, parts_of
from .distill import Teacher, load_teacher
from .run_state import Run, diverged, keep_best, learned_digest, resume, save, start
from .schedule import Schedule, learning_rate
from .watch import LossWatch


class Observer:
    """Receives the progress of a run; the command line shows it. This one ignores it."""

    def stage(self, text: str) -> None:
        """A stage of some length begins outside the loop."""

    def note(self, text: str) -> None:
        """One line for people."""

    def begin(self, *, done: int, total: int) -> None:
        """Optimizer steps done before (resume), and all."""

    def step(self, *, step: int, loss: float, lr: float) -> None:
        """One optimizer step is done."""

    def epoch(self, record: dict[str, Any]) -> None:
        """The line of metrics.jsonl at the end of an epoch."""


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    data_folder: str | Path | None = None,
    data: Mapping[str, Items] | None = None,
    init: Init | str | Path | None = None,
    teacher: str | Path | Teacher | None = None,
    answers: str | Path | None = None,
    existing: Existing = "refuse",
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Train as `recipe` says, leave the files of `RunFolder` in `folder`, return final metrics.

    `data_folder`: what --data names, or `data`: `torch.utils.data.Dataset`s of (image, label) as
    {"train": .., "test": ..} (`data.torch_items`); `init`: weights to start from (`Init`: a part of
    a file, a new head); `teacher`: network to distil from (`DistillConfig`); `answers`: folder of
    the teacher's logits, for other runs with the same batches.
    """
    recipe = preparation.on_device(recipe)
    path = Path(folder)
    source = data_folder if data is None else read_python(recipe, data)
    try:
        with joined(recipe.train.device) as ranks, ExitStack() as owned:
            files = RunFolder(path=path, writes=ranks.first)
            sources = {"data": source, "init": init, "teacher": teacher, "answers": answers}
            shown = observer if observer is not None and ranks.first else Observer()

            def prepare() -> bool:
                owned.enter_context(sole_owner(path))
                files.prepare(existing)
                return files.checkpoint.exists()

            return _train(recipe, files, ranks, sources, ranks.decide(prepare), shown)
    except (DiskFullError, RankLostError) as error:
        raise InputError(f"{error}; {RunFolder(path=path).intact}") from error


def read_python(recipe: Recipe, data: Mapping[str, Items]) -> Codes:
    """The items of a user's data sets."""
    model = recipe.model
    return torch_items.load(data, recipe.data, shape=model.image, classes=model.classes)


def _train(
    recipe: Recipe,
    files: RunFolder,
    ranks: Ranks,
    sources: dict[str, Any],
    begun: bool,
    observer: Observer,
) -> dict[str, Any]:
    """Train in a locked folder; only the first rank has final metrics."""
    make_deterministic(recipe)
    reuse_heap()
    recipe = settled(decided(recipe, sources["data"]))
    data = datasets.splits(recipe, sources["data"])
    training = data["train"] = data["train"].take(recipe.data.limit)
    schedule = Schedule.of(recipe, len(training), ranks.count)
    nodes = nodes_of(recipe, trusted=True)
    demand_steps(recipe, nodes, len(training), ranks.count)
    check_last_batch(recipe, nodes, len(training), ranks.count)
    master = load_teacher(recipe, sources["teacher"])
    if begun:
        run = resume(recipe, files, master, ranks)
        check_place(run, schedule, files)
    else:
        tell = observer.stage, ranks, observer.note
        run = start(recipe, files, training, sources["init"], master, *tell)
        run.watch = LossWatch()
    if master is not None:
        run.answers = Answers(master, recipe, sources["answers"], training, observer.note)
    if recipe.train.tensorboard and ranks.first:
        run.board = Board(files.board, run.step)
    fetch = batches(training, recipe, torch.device(recipe.train.device))
    observer.begin(done=run.step, total=schedule.total)
    try:
        while run.step < schedule.total:
            train_step(run, files, fetch, schedule, observer)
            if run.step % schedule.epoch == 0:
                end_epoch(run, files, data["validation"], schedule, observer)
            elif run.step % recipe.train.checkpoint_steps == 0:
                save(run, files)
        if ranks.first and not run.metrics["finished"]:
            finish(run, files, data, observer)
    except (NotANumberError, FoldError) as error:  # of finite weights
        raise InputError(diverged(files, str(error), run.step, None)) from error
    if run.board is not None:
        run.board.close()
    return run.metrics["final"] if ranks.first else {}


def check_place(run: Run, schedule: Schedule, files: RunFolder) -> None:
    """Refuse a checkpoint whose step lies outside its run."""
    ended = run.step == schedule.total
    if run.step > schedule.total or (run.metrics["finished"] and not ended):
        raise InputError(
            f"Checkpoint {str(files.checkpoint)!r} must be of a step up to {schedule.total}, and "
            f"finished at the last one only, not of step {run.step}"
        )


def train_step(
    run: Run,
    files: RunFolder,
    fetch: Callable[[int, int], tuple[Tensor, Tensor]],
    schedule: Schedule,
    observer: Observer,
) -> None:
    """Do one step: batch, gradient, codebooks (freezing them in time), log."""
    recipe = run.recipe
    if recipe.quant.quantized and run.step == schedule.freeze:
        run.model.freeze_codebooks()
    if any(node.dropout for node in run.model.nodes):
        # a step's masks are its own, as its batch is: a resumed run draws the same
        torch.manual_seed(step_seed(recipe.train.seed, run.step, run.ranks.rank))
    lr = learning_rate(recipe.optim, run.step, schedule.total)
    loss = descend(run, parts_of(run, fetch(*divmod(run.step, schedule.epoch)), schedule), lr)
    if not math.isfinite(loss):
        what = run.fault or f"loss must be finite, not {loss}"
        raise InputError(diverged(files, what, run.step, lr))
    if recipe.quant.quantized:
        # an EMA step toward the new weights; none when frozen
        run.model.update_codebooks(schedule.decay)
    if run.average is not None:
        run.average.update(run.model, run.step)
    run.step += 1
    run.metrics["loss_sum"] += loss
    observer.step(step=run.step, loss=loss, lr=lr)
    if run.watch is not None and (text := run.watch(run.step, loss, lr)) is not None:
        observer.note(text)
    if run.step % recipe.train.log_steps == 0:
        files.write_log({"step": run.step, "loss": loss, "lr": lr})
        if run.board is not None:
            run.board.step(run.step, loss, lr)


def step_seed(*words: int) -> int:
    """A seed of torch's generators for one step of one process."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def end_epoch(
    run: Run,
    files: RunFolder,
    validation: Dataset,
    schedule: Schedule,
    observer: Observer,
) -> None:
    """Measure on held-out images, log, keep the best state that can be exported, checkpoint."""
    run.epoch = run.step // schedule.epoch
    loss, run.metrics["loss_sum"] = run.metrics["loss_sum"] / schedule.epoch, 0.0
    run.ranks.check_same(learned_digest(run), f"Networks after epoch {run.epoch}")
    if not run.ranks.first:  # the others wait for it in their next step
        return
    with shown(run):
        if run.recipe.quant.quantized:
            fit(run.model)  # an average of weights whose sums fit need not be one
        record = {
            "step": run.step,
            "epoch": run.epoch,
            "loss": loss,
            "validation_top1": held_out_top1(run, validation),
        }
        files.write_log(record)
        observer.epoch(record)
        if run.recipe.quant.quantized:
            files.write_log({"step": run.step, "codebooks": codebook_fits(run.model)})
        if run.board is not None:
            run.board.epoch(record, run.model, run.recipe.quant.quantized)
        if not run.recipe.quant.quantized or run.model.codebooks_frozen:  # it can be exported
            keep_best(run, files, record["validation_top1"])
    save(run, files)


def codebook_fits(model: Network) -> dict[str, Any]:
    """Relative squared error of every hidden layer's weights, and the use of its values."""
    fits = {n: conv.quantizer.fit(conv.quantized_weight()) for n, conv in model.hidden().items()}
    return {name: {"error": round(fit.error, 6), "use": fit.use} for name, fit in fits.items()}


def shown(run: Run) -> AbstractContextManager[None]:
    """Give the model the weights that are measured: the averages, if there are any."""
    return nullcontext() if run.average is None else run.average.shown(run.model)


def held_out_top1(run: Run, validation: Dataset) -> float | None:
    """Top-1 in percent of the images that were held out; None when none were."""
    if run.recipe.data.all_images:
        return None
    return evaluate.model_top1(run.model, validation)


def finish(run: Run, files: RunFolder, data: dict[Split, Dataset], observer: Observer) -> None:
    """Refresh batch-norm statistics of quantized networks, measure, write the final state."""
    if run.average is not None:
        run.average.load_into(run.model)
    if run.recipe.quant.quantized:
        observer.stage("batch-norm statistics")
        run.model.freeze_codebooks()
        preparation.refresh_batch_norm(run.model, run.recipe, data["train"])
    observer.stage("test images" if run.recipe.data.test else "held-out images")
    run.metrics["final"] = {
        "recipe": run.recipe.name,
        "steps": run.step,
        "validation_top1": held_out_top1(run, data["validation"]),
        "test_top1": evaluate.model_top1(run.model, data["test"]) if run.recipe.data.test else None,
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
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
