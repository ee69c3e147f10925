"""A teacher's logits on disk, for other runs with the same batches.

A batch is a pure function of (data, seed, epoch, step), so a deeper teacher, which costs as much as
the student's own step, runs once for all runs of a comparison. A file carries a digest of its
logits and of all they depend on; one that does not fit is reported and written again.
"""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.digests import json_digest
from ...spec.host.files import write_file
from ..data.dataset import Dataset
from ..data.image_files import ImageFiles
from ..networks.weights_file import read_tensors
from ..recipes.config import Recipe
from ..runs.checkpoint import tensors_digest
from .distill import Teacher

NAME, DIGEST = "logits", "digest"


def _say(text: str) -> None:
    print(f"adqhw: {text}", file=sys.stderr)


class Answers:
    """Logits of one teacher for the batches of one recipe, an epoch to a file."""

    def __init__(
        self,
        teacher: Teacher,
        recipe: Recipe,
        folder: str | Path | None,
        training: Dataset,
        tell: Callable[[str], None] = _say,
    ) -> None:
        self.teacher, self.amp, self.tell = teacher, recipe.train.amp, tell
        self.size, self.shape = recipe.train.batch_size, (len(training), recipe.model.classes)
        self.folder: Path | None = None
        self.epoch = -1
        self.known: Tensor | None = None
        self.collected: list[Tensor] = []
        if folder is not None:
            self.key = _key(teacher, recipe, training)
            self.folder = Path(folder) / self.key[:16]

    def __call__(self, epoch: int, index: int, images: Tensor, last: bool) -> Tensor:
        """Logits (N, classes) of the images of batch ``index``; ``last`` of its epoch or not."""
        if self.folder is None:
            return self.teacher.logits(images, self.amp)
        path = self.folder / f"epoch{epoch:04d}.safetensors"
        if epoch != self.epoch:
            self.epoch, self.collected = epoch, []
            self.known = self._read(path)
        if self.known is not None:
            return self.known[index * self.size : (index + 1) * self.size].to(images.device)
        logits = self.teacher.logits(images, self.amp)
        self.collected.append(logits.cpu())
        if last and len(self.collected) == index + 1:  # not after a resume inside the epoch
            self._write(path, torch.cat(self.collected))
        return logits

    def _read(self, path: Path) -> Tensor | None:
        if not path.exists():
            return None
        try:
            tensors, metadata = read_tensors(path)
        except InputError:
            tensors, metadata = {}, {}
        logits = tensors.get(NAME)
        if (
            logits is not None
            and tuple(logits.shape) == self.shape
            and metadata.get(DIGEST) == self._digest(logits)
        ):
            return logits
        self.tell(f"answers {str(path)!r} are damaged or of other batches: computed again")
        return None

    def _write(self, path: Path, logits: Tensor) -> None:
        logits = logits.contiguous()
        metadata = {DIGEST: self._digest(logits)}
        write_file(path, save({NAME: logits}, metadata=metadata))

    def _digest(self, logits: Tensor) -> str:
        text = f"{self.key} {self.epoch} {tensors_digest({NAME: logits})}"
        return hashlib.sha256(text.encode()).hexdigest()


def _key(teacher: Teacher, recipe: Recipe, training: Dataset) -> str:
    """Digest of all that the answers depend on."""
    train = recipe.train
    parts = {
        "teacher": teacher.digest,
        "data": {k: v for k, v in asdict(recipe.data).items() if k != "workers"},
        "image": recipe.model.image,
        "images": _images_digest(training),
        **{k: getattr(train, k) for k in ("batch_size", "seed", "threads", "device", "amp")},
    }
    return json_digest(parts)


def _images_digest(data: Dataset) -> str:
    """Digest of the pixels in their order; of image files, their names and sizes in bytes."""
    digest = hashlib.sha256()
    if isinstance(data.images, ImageFiles):
        for path in data.images.paths:
            name = f"{path.parent.name}/{path.name} {path.stat().st_size}\n"
            digest.update(name.encode("utf-8", "surrogateescape"))
    else:
        digest.update(f"{data.images.shape}".encode())
        digest.update(data.images.tobytes())
    return digest.hexdigest()
