"""ImageNet's folder layout: ``ROOT/train/CLASS/*.JPEG`` and ``ROOT/val/CLASS/*``.

Classes are the sorted folder names. Selection uses images held out of ``train``; ``val`` is the
test split, as in all published figures.
"""

from pathlib import Path

import numpy as np

from ...spec.errors import InputError
from .dataset import Dataset, Split
from .image_files import FolderConfig, ImageFiles

SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".bmp", ".webp"})
HELD_OUT = 50
"""One in so many training images of a class is for validation (at least one per class)."""


def load(split: Split, folder: str | Path, config: FolderConfig) -> Dataset:
    """One split of the folder; files are listed here and read when indexed."""
    root = Path(folder) / ("val" if split == "test" else "train")
    names = class_names(Path(folder) / "train")
    if split == "test" and (odd := sorted(set(class_names(root)) ^ set(names))):
        raise InputError(f"Classes of {str(root)!r} must be those of train, not differ in {odd[0]}")
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        files = class_files(root / name)
        if split != "test":
            held_out = set(files[HELD_OUT - 1 :: HELD_OUT] or files[-1:])
            files = [path for path in files if (path in held_out) == (split == "validation")]
            if not files:
                raise InputError(
                    f"Class folder {str(root / name)!r} must hold at least 2 images "
                    "(one is for validation), not 1"
                )
        paths += files
        labels += [label] * len(files)
    return Dataset(
        name="imagefolder",
        split=split,
        images=ImageFiles(paths, config),
        labels=np.array(labels, np.int64),
        classes=len(names),
    )


def class_names(root: Path) -> list[str]:
    """Names of the class folders, sorted."""
    if not root.is_dir():
        raise InputError(f"Image folder must hold {root.name}/CLASS/IMAGE, not lack {str(root)!r}")
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    if len(names) < 2:
        raise InputError(f"Folder {str(root)!r} must hold at least 2 classes, not {len(names)}")
    return names


def class_files(folder: Path) -> list[Path]:
    """Image files of one class, sorted."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(
            f"Class folder {str(folder)!r} must hold images ({', '.join(sorted(SUFFIXES))}), "
            "not none"
        )
    return files
