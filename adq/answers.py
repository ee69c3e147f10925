"""A teacher's answers on disk, for the next run that asks the same questions.

A batch is a pure function of (data, seed, epoch, step), so a deeper teacher, which costs as much as
the student's own step, need be asked once for all runs of a comparison.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..spec.errors import InputError
from ..spec.files import atomic_path
from .config import Recipe
from .distill import Teacher

NAME = "logits"


class Answers:
    """Logits of one teacher for the batches of one recipe, an epoch to a file."""

    def __init__(self, teacher: Teacher, recipe: Recipe, folder: str | Path | None) -> None:
        self.teacher, self.amp = teacher, recipe.train.amp
        self.size = recipe.train.batch_size
        self.folder = None if folder is None else Path(folder) / _key(teacher, recipe)
        self.epoch, self.known, self.heard = -1, None, []

    def __call__(self, epoch: int, index: int, images: Tensor, last: bool) -> Tensor:
        """Logits (N, classes) of the images of batch ``index``; ``last`` of its epoch or not."""
        if self.folder is None:
            return self.teacher.logits(images, self.amp)
        if epoch != self.epoch:
            self.epoch, self.heard, self.known = epoch, [], self._read(epoch)
        if self.known is not None:
            part = self.known[index * self.size : (index + 1) * self.size]
            if len(part) != len(images):
                raise InputError(
                    f"Answers in {str(self._file(epoch))!r} must be of {len(images)} images in "
                    f"batch {index}, not {len(part)}: delete the file"
                )
            return part.to(images.device)
        logits = self.teacher.logits(images, self.amp)
        self.heard.append(logits.cpu())
        if last and len(self.heard) == index + 1:  # not after a resume inside the epoch
            self._write(epoch, torch.cat(self.heard))
        return logits

    def _file(self, epoch: int) -> Path:
        assert self.folder is not None
        return self.folder / f"epoch{epoch:04d}.safetensors"

    def _read(self, epoch: int) -> Tensor | None:
        path = self._file(epoch)
        if not path.exists():
            return None
        try:
            return load_file(path)[NAME]
        except (SafetensorError, KeyError, OSError) as error:
            raise InputError(
                f"Answers must be a file of a teacher's logits, not {str(path)!r}: {error}"
            ) from None

    def _write(self, epoch: int, logits: Tensor) -> None:
        with atomic_path(self._file(epoch)) as temporary:
            save_file({NAME: logits.contiguous()}, temporary)


def _key(teacher: Teacher, recipe: Recipe) -> str:
    """Digest of all that the answers depend on."""
    train = recipe.train
    parts = {
        "teacher": teacher.digest,
        "data": asdict(recipe.data),
        **{k: getattr(train, k) for k in ("batch_size", "seed", "threads", "device", "amp")},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
