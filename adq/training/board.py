"""TensorBoard: scalars of a run and histograms of its codebooks."""

from pathlib import Path
from typing import Any

import torch

from ...spec.errors import InputError
from ..networks.network import Network


class Board:
    """Event files in ``folder``; a resumed run hides events after its checkpoint."""

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "Package tensorboard must be installed for train.tensorboard=true: "
                "pip install 'adqhw[tensorboard]'"
            ) from error
        self.writer = SummaryWriter(str(folder), purge_step=step + 1)

    def step(self, step: int, loss: float, lr: float) -> None:
        """Show the loss and the learning rate of one step."""
        self.writer.add_scalar("train/loss", loss, step)
        self.writer.add_scalar("train/lr", lr, step)

    @torch.no_grad()
    def epoch(self, record: dict[str, Any], model: Network, quantized: bool) -> None:
        """Show accuracy, and per hidden layer the codebook and how often each value is used."""
        step = record["step"]
        if record["validation_top1"] is not None:
            self.writer.add_scalar("validation/top1", record["validation_top1"], step)
        for name, conv in model.hidden().items() if quantized else ():
            values = conv.quantizer.values.cpu()
            used = values[conv.quantizer.index(conv.weight).flatten().cpu()]
            self.writer.add_histogram(f"codebook/{name}", values, step)
            self.writer.add_histogram(f"weights/{name}", used, step)

    def flush(self) -> None:
        """Write what is pending: a run resumed at a checkpoint does not repeat it."""
        self.writer.flush()

    def close(self) -> None:
        """End the event file."""
        self.writer.close()
