"""Weights to start from (`--init`): a checkpoint's or another trainer's, with a new head if asked.

`Init` says which tensors of a file are meant, and whether the classifier starts anew.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...spec.errors import InputError
from ..frontend.config import TracedConfig
from ..networks import pretrained
from ..networks.network import Network
from ..networks.state_check import check_numbers
from ..networks.weights_file import read_metadata, read_tensors
from ..runs import checkpoint
from . import made_for
from .build import restored


@dataclass(frozen=True, kw_only=True, slots=True)
class Init:
    """A file of weights."""

    path: Path
    part: str | None = None
    """Of a file with several sets of weights, the one that is meant (`--init-part`)."""
    new_head: bool = False
    """Load everything but the classifier, which starts anew (`--new-head`)."""

    def __str__(self) -> str:
        return f"--init {str(self.path)!r}"


def origin(init: Init | str | Path | None) -> str:
    """Beginning of a message about numbers that a network starts with."""
    if init is None:
        return "Network at the start:"
    return f"{_as_init(init)} must give finite numbers:"


def load_init(model: Network, source: Init | str | Path) -> str:
    """Load weights and batch norms of a checkpoint or of foreign weights; return their digest.

    Codebooks are not taken over, learned activations and streams are (`carry_quantizers`).
    """
    init = _as_init(source)
    tensors, _ = read_tensors(init.path, init.part)
    anew = pretrained.head_names(model) if init.new_head else frozenset()
    try:
        if _is_checkpoint(init):
            state = checkpoint.load(init.path).model
            check_numbers(state, "Checkpoint's")
            needed = pretrained.float_names(model)
            state = {
                name: tensor
                for name, tensor in state.items()
                if (name in needed or _is_float_part(name)) and name not in anew
            }
        elif isinstance(model.config, TracedConfig):
            state = pretrained.fitted(tensors, pretrained.float_names(model), anew)
        else:
            state = pretrained.our_state(tensors, anew)
        pretrained.load_state(model, state, anew)
    except InputError as error:
        fitting = made_for.settings(_made_for(init), model.config)
        hint = f"; it fits with {fitting}" if fitting else ""
        raise InputError(f"{init} must fit the recipe: {error}{hint}") from error
    return checkpoint.tensors_digest(tensors)


def told(model: Network, source: Init | str | Path) -> list[str]:
    """Lines for people: what is not loaded, and pixels of another scale than the weights saw."""
    init, lines = _as_init(source), []
    if init.new_head:
        shapes = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
        names = ", ".join(f"{name} {shapes[name]}" for name in sorted(pretrained.head_names(model)))
        lines = [f"new head: {names} start anew, all other weights come from {str(init.path)!r}"]
    known = _is_checkpoint(init)
    if text := made_for.other_scale(_made_for(init), model.config, known=known):
        lines.append(f"{init}: {text}")
    return lines


def _made_for(init: Init) -> made_for.MadeFor | None:
    """What network the file is of; None where that is not known."""
    if not _is_checkpoint(init):
        return made_for.of_foreign(read_tensors(init.path, init.part)[0])
    try:
        return made_for.of_recipe(checkpoint.load(init.path).recipe)
    except InputError:  # damaged: the caller has said so
        return None


def _is_checkpoint(init: Init) -> bool:
    return init.part is None and checkpoint.FORMAT in read_metadata(init.path)


def _as_init(source: Init | str | Path) -> Init:
    return source if isinstance(source, Init) else Init(path=Path(source))


def learned_quantizers(source: Init | str | Path, factory: str = "") -> dict[str, Tensor]:
    """Parameters of activations and streams of a checkpoint trained with them; else none.

    factory: what the user named for the network to be trained (`restored`).
    """
    init = _as_init(source)
    if checkpoint.FORMAT not in read_metadata(init.path):
        return {}
    state = checkpoint.load(init.path)
    if not state.recipe.quant.quantized:
        return {}
    named = factory if factory and factory == state.recipe.model.factory else None
    restored(state, str(init), named)
    return {name: tensor for name, tensor in state.model.items() if ".output." in name}


def _is_float_part(name: str) -> bool:
    quantizer = ".output." in name or ".quantizer." in name
    return not quantizer and not name.endswith("num_batches_tracked")
