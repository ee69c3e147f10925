"""Training batches on the device that trains, the same pixels on every device.

Order and augmentation are drawn by `augment` from (seed, epoch, step) on the host. On a CPU the
batch is cut there too; for a GPU the whole padded data set lies in its memory (CIFAR-10 with 4
pixels of padding: 240 MB) and a batch is one gather, so that no step waits for the host's copies.
"""

import math
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..recipes.config import Recipe
from .augment import crop_parameters, epoch_order, training_batch
from .dataset import Dataset
from .image_files import ImageFiles

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images (N, C, H, W) and labels (N,)."""


class HostBatches:
    """Batches made with numpy, on the CPU; of ``size`` images, or as many as training takes."""

    def __init__(self, data: Dataset, recipe: Recipe, size: int | None = None) -> None:
        self.data, self.recipe, self.size = data, recipe, size or recipe.train.batch_size

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """uint8 images (N, C, H, W) and int64 labels (N,) of one step."""
        images, labels = self.arrays(epoch, step)
        return torch.from_numpy(images), torch.from_numpy(labels)

    def arrays(self, epoch: int, step: int) -> Arrays:
        """The same as arrays."""
        recipe = self.recipe
        return training_batch(
            self.data,
            batch_size=self.size,
            padding=recipe.data.crop_padding,
            flip=recipe.data.flip,
            seed=recipe.train.seed,
            epoch=epoch,
            step=step,
        )


class FileBatches(HostBatches):
    """Batches decoded from files, one ahead: while the network trains on the one before.

    A batch depends on (seed, epoch, step) alone, so one that is not the next (after a resume) is
    dropped.
    """

    def __init__(self, data: Dataset, recipe: Recipe, device: torch.device) -> None:
        super().__init__(data, recipe)
        self.device = device
        self.steps = math.ceil(len(data) / recipe.train.batch_size)
        self.ahead: dict[tuple[int, int], Future[Arrays]] = {}
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="batch")

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        decoded = self.ahead.pop((epoch, step), None)
        images, labels = self.arrays(epoch, step) if decoded is None else decoded.result()
        following = (epoch, step + 1) if step + 1 < self.steps else (epoch + 1, 0)
        self.ahead = {following: self.thread.submit(self.arrays, *following)}
        return (
            torch.from_numpy(images).to(self.device),
            torch.from_numpy(labels).to(self.device),
        )


class DeviceBatches:
    """The same batches gathered from a copy of the data set in the device's memory."""

    def __init__(self, data: Dataset, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.count, self.device = recipe, len(data), device
        edge = recipe.data.crop_padding
        images = torch.from_numpy(data.images[:]).to(device)
        self.images = torch.nn.functional.pad(images, (edge, edge, edge, edge))
        self.labels = torch.from_numpy(data.labels).to(device)
        self.height, self.width = data.images.shape[2:]
        self.epoch, self.order = -1, self.labels

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """uint8 images (N, C, H, W) and int64 labels (N,) of one step."""
        recipe, size = self.recipe, self.recipe.train.batch_size
        if epoch != self.epoch:
            order = epoch_order(self.count, seed=recipe.train.seed, epoch=epoch)
            self.epoch, self.order = epoch, torch.from_numpy(order).to(self.device)
        chosen = self.order[step * size : (step + 1) * size]
        rows, columns = (
            torch.from_numpy(index).to(self.device)
            for index in crop_parameters(
                len(chosen),
                (self.height, self.width),
                padding=recipe.data.crop_padding,
                flip=recipe.data.flip,
                seed=recipe.train.seed,
                epoch=epoch,
                step=step,
            )
        )
        picked = self.images[chosen[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2).contiguous(), self.labels[chosen]


def batches(
    data: Dataset, recipe: Recipe, device: torch.device
) -> HostBatches | FileBatches | DeviceBatches:
    """The batches of a recipe for ``device``."""
    if isinstance(data.images, ImageFiles):
        return FileBatches(data, recipe, device)
    if device.type == "cpu":
        return HostBatches(data, recipe)
    return DeviceBatches(data, recipe, device)
