"""Checkpoints of the trainer for the command line."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

MODEL_HELP = (
    "Your own network: package.module:name or file.py:name of a class or function that returns an "
    "nn.Module, looked up from the current folder."
)


MODEL_AGAIN = (
    "Factory of a checkpoint's own network, as in `adqhw train --model`; needed only where it is "
    "not in the current folder."
)


def is_checkpoint(path: Path) -> bool:
    """Whether `path` is a checkpoint of `adqhw train`; False for anything else, damaged too."""
    names = _headers(path)
    return bool(names) and not is_program(path)


def is_program(path: Path) -> bool:
    """Whether `path` has the header of a program; its content may still be refused."""
    from ..spec.program_file import HEADER

    return HEADER in _headers(path)


def _headers(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    try:
        with safe_open(path, framework="numpy") as stream:
            return set(stream.metadata() or {})
    except (SafetensorError, OSError):
        return set()


Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""A progress bar of that title and total; the yielded function is called with each step."""


def evaluate_checkpoint(
    path: Path,
    data: Path | None,
    limit: int | None,
    progress: Progress,
    factory: str | None = None,
) -> dict[str, Any]:
    """Top-1 (percent, test split) of the graph as it was trained: float or fakequant, in torch."""
    start = time.perf_counter()
    from ..adq.data import datasets
    from ..adq.models.build import restored
    from ..adq.runs import checkpoint
    from ..adq.training import evaluate

    state = checkpoint.load(path)
    mode = state.recipe.quant.mode
    model = restored(state, f"Checkpoint {str(path)!r}", factory)
    test = datasets.for_recipe(state.recipe, "test", data)
    chosen = test.take(None if limit is None else min(limit, len(test)))
    run = evaluate.model_runner(model)
    with progress(f"evaluating ({mode} graph)", len(chosen)) as advance:
        logits = evaluate.run_all(run, chosen, on_batch=advance)
    return {
        "program": str(path),
        "engine": f"torch {mode} graph",
        "images": len(chosen),
        "top1": evaluate.top1(logits, chosen.labels),
        "seconds": time.perf_counter() - start,
    }
