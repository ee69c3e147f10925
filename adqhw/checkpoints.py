"""Checkpoints of the trainer, seen from the command line."""

import time
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from .console import people, progress


def is_checkpoint(path: Path) -> bool:
    """Whether `path` is a checkpoint of `adqhw train`; False for anything else, damaged too."""
    if not path.is_file():
        return False
    from .spec.program_file import HEADER

    try:
        with safe_open(path, framework="numpy") as stream:
            names = set(stream.metadata() or {})
    except (SafetensorError, OSError):
        return False
    return bool(names) and HEADER not in names


def evaluate_checkpoint(path: Path, data: Path | None, limit: int | None) -> dict[str, Any]:
    """Top-1 (percent, test split) of the graph as it was trained: float or fakequant, in torch."""
    start = time.perf_counter()
    with people.status("loading torch"):
        from .adq import checkpoint, datasets, evaluate, preparation
    state = checkpoint.load(path)
    mode = state.recipe.quant.mode
    model = preparation.build(state.recipe)
    model.load_state_dict(state.model)
    test = datasets.for_recipe(state.recipe, "test", data)
    chosen = test.take(None if limit is None else min(limit, len(test)))
    run = evaluate.model_runner(model, mode)
    with progress(f"evaluating ({mode} graph)", len(chosen)) as advance:
        logits = evaluate.run_all(run, chosen, on_batch=advance)
    return {
        "program": str(path),
        "engine": f"torch {mode} graph",
        "images": len(chosen),
        "top1": evaluate.top1(logits, chosen.labels),
        "seconds": time.perf_counter() - start,
    }
