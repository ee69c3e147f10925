"""The data sets by name: one split of each, from a folder, a file, Python or scikit-learn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

from ...spec.errors import InputError
from ...spec.host.text import shown
from ..recipes.config import DATA_NAMES, DataConfig, Recipe
from ..recipes.config_text import from_dict
from ..recipes.fields import one_of
from . import cifar10, digits, image_folder, npz_file
from .arrays import Codes
from .dataset import SPLITS, Dataset, Split
from .image_files import FolderConfig

BUNDLED = "digits"
"""The data set that comes with scikit-learn: it needs no folder, and takes none."""
OWN = ("npz", "torch")
"""Arrays of a user."""
Source = str | Path | Codes | None
"""A folder, an .npz, or what was read of data sets from Python (`torch_items.load`)."""


def load(
    name: str,
    split: str,
    folder: Source = None,
    shape: Sequence[int] | None = None,
    *,
    workers: int = 4,
    held_out: int = cifar10.HELD_OUT,
    config: DataConfig | None = None,
    classes: int = 0,
) -> Dataset:
    """Read one split. `digits` comes with scikit-learn and takes no `folder`; the others need one.

    shape: (C, H, W) of the network's input, for `imagefolder`, whose files have any size; workers:
    threads that decode them; held_out: validation images of `cifar10`; config: how arrays of a user
    become codes (scale, order of axes); classes: of the network, where it has more than they.
    """
    part = one_of(SPLITS, split, "Split")
    known = one_of(DATA_NAMES, name, "Dataset")
    match known:
        case "digits":
            if folder is not None:
                raise InputError("--data must be left out: the digits come with scikit-learn")
            return digits.load(part)
        case "cifar10":
            if folder is None:
                raise InputError(
                    "Data folder must be given for cifar10: pass --data DIR, "
                    f"where DIR or DIR/{cifar10.FOLDER} holds the official python version"
                )
            return cifar10.load(part, _path(folder), held_out=held_out)
        case "imagefolder":
            if folder is None or shape is None:
                raise InputError(
                    "Data folder must be given for imagefolder: pass --data DIR with "
                    "DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE"
                )
            channels, height, width = shape
            files = FolderConfig(size=(height, width), channels=channels, workers=workers)
            return image_folder.load(part, _path(folder), files)
        case "npz" | "torch":
            codes = _own(known, folder, config or DataConfig(), tuple(shape or ()), classes)
            return codes.split(known, part, classes)
        case "auto":
            raise InputError("Dataset must be decided before it is read: data.name is auto")
        case unknown:
            assert_never(unknown)


def for_recipe(recipe: Recipe, split: str, folder: Source = None) -> Dataset:
    """Read one split for a recipe: image files are scaled to its network's input."""
    name, model = recipe.data.name, recipe.model
    read = undecided(recipe, folder, split)
    if name == "imagefolder" and read.classes != model.classes:
        raise InputError(
            f"model.classes must be the {read.classes} class folders in {str(folder)!r}, "
            f"not {model.classes}: --set model.classes={read.classes}"
        )
    shape = read.images.shape[1:]
    if shape != model.image:
        raise InputError(f"model.image must be {shape}, that of {name}, not {model.image}")
    if read.classes > model.classes:
        raise InputError(
            f"model.classes must be at least {read.classes}, as {name} has, not {model.classes}"
        )
    return read


def undecided(recipe: Recipe, folder: Source, split: str = "train") -> Dataset:
    """One split for a recipe that may leave fields to its data, which are not compared."""
    data, model = recipe.data, recipe.model
    every = data.all_images and split == "train"
    held_out = 0 if every else cifar10.HELD_OUT
    return load(
        data.name, split, folder, model.image, workers=data.workers, held_out=held_out,
        config=data, classes=model.classes,
    )  # fmt: skip


def own_codes(recipe: Recipe, source: Source) -> Codes:
    """The arrays of a user, all splits."""
    model = recipe.model
    return _own(recipe.data.name, source, recipe.data, model.image, model.classes)


def _own(
    name: str, source: Source, config: DataConfig, shape: tuple[int, ...], classes: int
) -> Codes:
    if isinstance(source, Codes):
        return source
    if source is None:
        origin = "a run on data sets from Python" if name == "torch" else "data.name=npz"
        raise InputError(f"Data must be given for {origin}: pass --data FILE.npz")
    return npz_file.load(source, config, shape=shape, classes=classes)


def splits(recipe: Recipe, source: Source = None) -> dict[Split, Dataset]:
    """All splits of a recipe's data."""
    return {split: for_recipe(recipe, split, source) for split in SPLITS}


def _path(source: Source) -> str | Path:
    if not isinstance(source, str | Path):
        raise InputError(f"Data must be a folder, not {type(source).__name__}")
    return source


FACTS = ("layout", "split_seed", "scale", "zero_point")
"""Fields of a configuration that say how a user's arrays become codes and splits."""


def data_facts(config: DataConfig) -> dict[str, Any]:
    """What the provenance of a program keeps of a user's data: how its arrays become codes."""
    if config.name not in OWN:
        return {}
    return {"data": {name: getattr(config, name) for name in FACTS}}


def config_of(provenance: Mapping[str, Any]) -> DataConfig:
    """The configuration of `data_facts`, checked; the usual one where there are none."""
    facts = provenance.get("data", {})
    if not isinstance(facts, dict) or not set(facts) <= set(FACTS):
        raise InputError(f"Provenance data must have only {', '.join(FACTS)}, not {shown(facts)}")
    return from_dict(DataConfig, facts, "data")
