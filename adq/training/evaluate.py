"""Top-1 of anything that maps images to logits: a model in one of its modes, or an engine.

Only `model_runner` needs torch; an engine is measured without it.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset

if TYPE_CHECKING:
    from ..networks.network import Network

Runner = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Images (N, C, H, W) to logits (N, classes)."""


def batches(data: Dataset, batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of `data` in order, `batch_size` at a time."""
    for start in range(0, len(data), batch_size):
        yield data.images[start : start + batch_size]


def run_all(
    run: Runner,
    data: Dataset,
    *,
    batch_size: int = 250,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[Any]:
    """Return the logits (N, classes) of all images; `on_batch` gets the size of each batch."""
    logits = []
    for images in batches(data, batch_size):
        logits.append(run(images))
        if on_batch is not None:
            on_batch(len(images))
    return np.concatenate(logits)


def top1(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the share of images, in percent, whose largest logit (the first, if tied) is right."""
    return 100.0 * int(np.count_nonzero(logits.argmax(axis=1) == labels)) / len(labels)


def model_runner(model: "Network") -> Runner:
    """Return a runner of `model` in its mode with batch-norm statistics fixed; torch stays inside.

    The model's training flag is as before after every batch.
    """
    import torch

    from ..tensors import NotANumberError

    def run(images: NDArray[np.uint8]) -> NDArray[Any]:
        with model.evaluating(), torch.inference_mode():
            logits = model(torch.from_numpy(images).to(model.device)).cpu().numpy()
        if not np.isfinite(logits).all():
            raise NotANumberError("Logits must be finite, not NaN or infinite")
        return logits

    return run


def model_top1(model: "Network", data: Dataset) -> float:
    """Return the top-1, in percent, of `model` in its mode over `data`."""
    return top1(run_all(model_runner(model), data), data.labels)
