"""One case of the ablation with one seed: trained, exported, measured, and kept on disk.

A short run is measured at its end only: measuring costs more than training. Figures
are kept in a file per case and seed, named by everything it depends on, so that a killed ablation
computes nothing twice.
"""

import hashlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cost.sweep.store import Record, Store
from ...spec.errors import InputError
from ...spec.host.digests import json_digest
from ...spec.host.text import warn

if TYPE_CHECKING:
    from ...adq.data.dataset import Dataset
    from ...adq.networks.network import Network
    from ...adq.recipes.config import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Top-1 in percent of the whole test split, and the average weight bits."""

    average_weight_bits: float
    graph: float | None
    """Of the fakequant graph; None where only the program was measured."""
    integer: float | None
    """Of the integer program (Numba engine); None where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Files a run reads, and the folder where its figures are kept."""

    data: Path | None
    init: Path
    teacher: Path | None
    keep: Path

    def key(self, recipe: "Recipe") -> str:
        """Digest of all that the figures depend on, except the code."""
        from ...adq.recipes.config_text import to_dict

        parts = {
            "recipe": to_dict(recipe),
            "init": _digest(self.init),
            "teacher": None if self.teacher is None else _digest(self.teacher),
        }
        return json_digest(parts)[:20]


def figures(recipe: "Recipe", sources: Sources, *, exports: bool, graph: bool) -> Figures:
    """The figures of a recipe: read if they were kept, otherwise trained and measured."""
    key, store = sources.key(recipe), Store(sources.keep)
    kept = kept_or_none(store, key)
    if kept is not None:
        return Figures(**kept)
    model = train_briefly(recipe, sources)
    found = measure(model, recipe, sources, exports=exports, graph=graph or not exports)
    store.put(key, asdict(found))
    return found


def kept_or_none(store: Store, key: str) -> Record | None:
    """A kept record; None if absent, or, with a warning, if its digest differs."""
    record = store.get(key)
    if key in store.damaged:
        warn(f"kept figure {key} does not fit its digest: computed again")
    return record


def train_briefly(recipe: "Recipe", sources: Sources) -> "Network":
    """The network at the end of a run: frozen codebooks, fresh batch-norm statistics."""
    import torch

    from ...adq.data.batches import batches
    from ...adq.ranks import Ranks
    from ...adq.runs.run_folder import RunFolder
    from ...adq.tensors import reuse_heap
    from ...adq.training import preparation, run_state, trainer
    from ...adq.training.answers import Answers
    from ...adq.training.distill import load_teacher
    from ...adq.training.schedule import Schedule
    from ...flows.program_teacher import teacher_of

    recipe = preparation.on_device(recipe)
    trainer.make_deterministic(recipe)
    reuse_heap()
    training = _split(recipe.data.name, "train", sources.data).take(recipe.data.limit)
    files = RunFolder(path=sources.keep / "run")
    files.prepare("replace")
    master = load_teacher(recipe, teacher_of(recipe, sources.teacher))
    run = run_state.start(recipe, files, training, sources.init, master, _quiet, Ranks())
    if master is not None:
        run.answers = Answers(master, recipe, sources.keep / "answers", training)
    schedule = Schedule.of(recipe, len(training))
    fetch = batches(training, recipe, torch.device(recipe.train.device))
    observer = trainer.Observer()
    while run.step < schedule.total:
        trainer.train_step(run, files, fetch, schedule, observer)
    run.model.freeze_codebooks()
    preparation.refresh_batch_norm(run.model, run.recipe, training)
    return run.model


def measure(
    model: "Network", recipe: "Recipe", sources: Sources, *, exports: bool, graph: bool
) -> Figures:
    """Accuracies of a trained network over the whole test split."""
    from ...adq.export import export
    from ...adq.training import evaluate
    from ...flows.engines import run_in_steps, top1

    test = _split(recipe.data.name, "test", sources.data)
    integer = None
    if exports:
        program = export.export(model)
        integer = top1(run_in_steps("numba", program, test.images[:]).logits, test.labels)
    return Figures(
        average_weight_bits=average_bits(model),
        graph=evaluate.model_top1(model, test) if graph else None,
        integer=integer,
    )


def average_bits(model: Any) -> float:
    """Mean code width over the hidden weights."""
    sizes = {name: conv.weight.numel() for name, conv in model.hidden().items()}
    total = sum(sizes[n] * conv.quantizer.width for n, conv in model.hidden().items())
    return total / sum(sizes.values())


def _quiet(text: str) -> None:
    pass


@lru_cache(maxsize=2)
def _split(name: str, split: str, folder: Path | None) -> "Dataset":
    from ...adq.data import datasets

    return datasets.load(name, split, folder)


@lru_cache
def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"Weights must be readable, not {str(path)!r}: {error}") from error
