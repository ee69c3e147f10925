"""Images for a program: a .npy file of codes, or the data set it was trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..spec.engines import check_images
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.host.npy import read_npy
from ..spec.program import Program

INPUT_HELP = "Images as integer codes: a .npy file of shape (N, C, H, W)."
DATA_HELP = (
    "Folder of the data set (CIFAR-10: it holds cifar-10-batches-py), or FILE.npz of your own "
    "arrays. Digits need none."
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """images: (N, C, H, W) of the program's input format. labels: (N,), or None when unknown."""

    images: IntArray
    labels: npt.NDArray[np.int64] | None
    source: str


def bundled(program: Program) -> bool:
    """Whether the program's data set comes with a package and needs no folder."""
    from ..adq.data.datasets import BUNDLED

    return program.provenance.get("dataset") == BUNDLED


def read_images(
    program: Program,
    *,
    input_file: Path | None = None,
    data: Path | None = None,
    limit: int | None = None,
    split: str = "test",
) -> Batch:
    """Images from `input_file`, else from the data set named in the program's provenance.

    A program that names none (imported, or of a user's own loop) takes what `data` is; pixels are
    its input codes.
    """
    if limit is not None and limit < 1:
        raise InputError(f"Number of images must be at least 1, not {limit}")
    if input_file is not None:
        if data is not None:
            raise InputError("Images must come from --input or --data, not from both")
        images = check_images(program, read_npy(input_file))[:limit]
        return Batch(images=images, labels=None, source=str(input_file))
    from ..adq.data.datasets import config_of, load
    from ..adq.data.decided import kind_of

    name = program.provenance.get("dataset")
    if not isinstance(name, str):
        if data is None:
            raise InputError(
                "Images must be given with --input or --data: the program names no data set"
            )
        name = kind_of(data)
    dataset = load(name, split, data, program.input_shape, config=config_of(program.provenance))
    count = min(limit, len(dataset)) if limit else None
    chosen = dataset.take(count)
    return Batch(
        images=check_images(program, chosen.images[:]),
        labels=chosen.labels,
        source=f"{name} {split}",
    )
