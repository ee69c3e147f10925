"""The start of quantized training at least error: as `networks.calibrate`, by post-training."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ..calibration import calibrate as post_training
from ..calibration.config import CalibrationConfig
from ..networks.network import Network

CALIBRATED = 512
"""Images of a post-training calibration before training: their maps are all kept."""


def start_calibrated(
    model: Network, batches: Iterable[Tensor], correct: Callable[[], object] | None = None
) -> None:
    """As `start_fakequant`, with tables, ranges and offsets of least error (`adq.calibration`).

    Weights stay as they are, codebooks adapt again; at most `CALIBRATED` images are looked at.
    ``correct`` may replace the ranges at the end.
    """
    images = torch.cat(list(batches))[:CALIBRATED]
    post_training.calibrate(model, [images], CalibrationConfig(rounding="nearest"))
    for conv in model.hidden().values():
        conv.quantizer.frozen.fill_(False)
    if correct is not None:
        correct()
