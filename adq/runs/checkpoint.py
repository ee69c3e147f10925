"""Checkpoints: one safetensors file with tensors and a JSON header; nothing is ever unpickled.

Tensors `model.<name>` are the state dict, `momentum.<name>` SGD's buffers, `extra.<kind>.<name>`
what other optimizers and averaged weights keep. The header is
a single metadata entry, because safetensors keeps several in random order and equal states must
give equal bytes. It carries a digest of itself and the tensors: a flipped bit is refused on load.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.files import write_file
from ...spec.host.text import shown
from ..networks.weights_file import read_tensors
from ..recipes.config import Recipe
from ..recipes.config_text import from_dict, to_dict
from ..recipes.older import completed

FORMAT = "adqhw-checkpoint"
VERSION = 1
GROUPS = ("model", "momentum", "extra")
MAX_STEP = 1 << 40
"""Of the counts of steps and epochs in a header."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """Everything a run needs to continue as if it had never stopped."""

    recipe: Recipe
    step: int
    """Optimizer steps done."""
    epoch: int
    """Whole epochs done."""
    model: dict[str, Tensor]
    momentum: dict[str, Tensor] = field(default_factory=dict)
    extra: dict[str, Tensor] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    """JSON values: results so far and state of the loop beside tensors."""

    @property
    def finished(self) -> bool:
        """Whether training ended: final statistics are in and nothing is left to resume."""
        return bool(self.metrics.get("finished", False))

    @property
    def digest(self) -> str:
        """SHA-256 over names, types, shapes and bytes of all tensors."""
        return tensors_digest(_flatten(self))


def save(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write the file whole or not at all; the previous one stays until the new one is complete."""
    tensors = _flatten(checkpoint)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "recipe": to_dict(checkpoint.recipe),
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "metrics": checkpoint.metrics,
    }
    header["digest"] = _file_digest(header, tensors)
    text = json.dumps(header, sort_keys=True)
    write_file(path, save_safetensors(tensors, metadata={FORMAT: text}))


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint; a missing, damaged or foreign file is an `InputError`."""
    tensors, metadata = read_tensors(path)
    what = f"Checkpoint {str(path)!r}"
    try:
        header = json.loads(metadata[FORMAT])
    except KeyError as error:
        raise InputError(
            f"{what} must be written by `adqhw train`, not a file without its header "
            "(plain weights are for --init)"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} must have a JSON header, not one broken at {error}") from error
    _check_header(header, what)
    stray = sorted(name for name in tensors if name.split(".")[0] not in GROUPS)
    if stray:
        raise InputError(f"{what} must have only tensors of {GROUPS}, not {shown(stray[0])}")
    stored = header.pop("digest")
    try:
        actual = _file_digest(header, tensors)
    except RecursionError as error:
        raise InputError(f"{what} must have a flat header, not one nested so deep") from error
    if actual != stored:
        raise InputError(f"{what} must have digest {shown(stored)}, not {actual}: it is damaged")
    try:
        recipe = from_dict(Recipe, completed(header["recipe"]))
    except InputError as error:
        raise InputError(f"{what} must have a usable recipe: {error}") from error
    return Checkpoint(
        recipe=recipe,
        step=header["step"],
        epoch=header["epoch"],
        model=_part(tensors, "model."),
        momentum=_part(tensors, "momentum."),
        extra=_part(tensors, "extra."),
        metrics=header["metrics"],
    )


def tensors_digest(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of named tensors, independent of the order they come in."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        line = f"{name} {tensor.dtype} {tuple(tensor.shape)}\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
        digest.update(
            tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


def _file_digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    text = json.dumps(header, sort_keys=True) + tensors_digest(tensors)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_header(header: object, what: str) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{what} must have format {FORMAT!r}, not {shown(header)}")
    if header.get("version") != VERSION:
        version = shown(header.get("version"))
        raise InputError(f"{what} must have version {VERSION}, not {version}")
    kinds = {"digest": str, "recipe": dict, "step": int, "epoch": int, "metrics": dict}
    for name, kind in kinds.items():
        value = header.get(name)
        if type(value) is not kind:
            raise InputError(
                f"{what} header field {name} must be {kind.__name__}, not {shown(value)}"
            )
        if type(value) is int and not 0 <= value <= MAX_STEP:
            raise InputError(f"{what} header field {name} must be a count, not {shown(value)}")
    unknown = set(header) - {"format", "version", *kinds}
    if unknown:
        raise InputError(f"{what} header must have only known fields, not {shown(sorted(unknown))}")


def _flatten(checkpoint: Checkpoint) -> dict[str, Tensor]:
    groups = {"model": checkpoint.model, "momentum": checkpoint.momentum, "extra": checkpoint.extra}
    return {
        f"{group}.{name}": tensor.detach().cpu().clone().contiguous()
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
