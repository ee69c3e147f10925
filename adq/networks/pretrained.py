"""Float weights of other repositories and trainers, under our names.

Read: akamaster/pytorch_resnet_cifar10 (option A), yhhhli/APoT_Quantization (option B, float model),
and torchvision's ResNet-18/34/50 and MobileNet-V2; as safetensors or as a torch file
(`weights_file`). Left out: clip parameters, ``num_batches_tracked`` and ``n_averaged``. Taken off:
prefixes of wrappers (DataParallel, torch.compile, Lightning), and a classifier's own wrapper.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.networks import IMAGENET, MOBILENET_STAGES
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..quantizers.uniform import UniformWeight
from ..quantizers.weight_quantizer import WeightQuantizer
from .config import IMAGENET_MEAN, IMAGENET_STD, CifarConfig, ImagenetConfig, NetworkConfig
from .network import Network
from .state_check import check_numbers
from .state_dicts import OPTION, WRAPPERS
from .weights_file import read_tensors

NEW_HEAD = "--new-head"
APOT_MEAN, APOT_STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)

_IGNORED = re.compile(r"(^|\.)num_batches_tracked$|^n_averaged$|\.weight_quant\.|\.act_alpha$")
_HEAD = re.compile(
    r"^(?:fc|linear|head)(?:\.(?:\d+|fc|linear|head|module|_orig_mod))*\.(weight|bias)$"
)
"""The classifier, alone or as the last part of a Sequential."""
_START = re.compile(r"^(?:(?:module|_orig_mod|model|net|network|ema|student|backbone)\.)*[^.]+\.")
KNOWN = ("conv", "bn", "layer", "fc", "linear", "head", "features", "classifier")
"""Parts of the networks that we know, without their numbers."""
_RENAMES = (
    (re.compile(r"(^|\.)(?:module|_orig_mod)\."), r"\1"),
    (re.compile(r"(^|\.)bn([123])\."), r"\1conv\2.bn."),
    (re.compile(r"\.downsample\.0\."), ".downsample."),
    (re.compile(r"\.downsample\.1\."), ".downsample.bn."),
    (_HEAD, r"fc.\1"),
)


def our_name(key: str) -> str | None:
    """Name in the state dict of a foreign ``key``; None for one that is not used."""
    if _IGNORED.search(key):
        return None
    key = WRAPPERS.sub("", key)
    if _IGNORED.search(key):
        return None
    if key.startswith(("features.", "classifier.")):
        return mobilenet_name(key)
    for pattern, replacement in _RENAMES:
        key = pattern.sub(replacement, key)
    return key


def mobilenet_name(key: str) -> str:
    """Name in our state dict of a ``key`` of torchvision's MobileNet-V2; others as they are."""
    if match := re.fullmatch(r"classifier(?:\.\d+)*\.(weight|bias)", key):
        return f"fc.{match[1]}"
    blocks = [(s, b) for s, row in enumerate(MOBILENET_STAGES) for b in range(row[2])]
    ends = {0: "conv1", len(blocks) + 1: "last"}
    if match := re.fullmatch(r"features\.(\d+)\.([01])\.(\w+)", key):
        unit = ends.get(int(match[1]))
        return f"{unit}.{'bn.' if match[2] == '1' else ''}{match[3]}" if unit else key
    match = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(?:([01])\.)?(\w+)", key)
    if match is None or not 1 <= int(match[1]) <= len(blocks):
        return key
    stage, block = blocks[int(match[1]) - 1]
    roles = ("depthwise", "project") if stage == 0 else ("expand", "depthwise", "project")
    place, inner = int(match[2]), match[3]
    # convolution and batch norm are a pair in a place, but for the last: there they have two
    norm = inner == "1" if inner is not None else place == len(roles)
    if place > len(roles):
        return key
    role = roles[min(place, len(roles) - 1)]
    return f"block{stage}.{block}.{role}.{'bn.' if norm else ''}{match[4]}"


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Float tensors of the file at ``path`` under our names."""
    return our_state(read_tensors(path)[0])


def our_state(
    tensors: Mapping[str, Tensor], left_out: frozenset[str] = frozenset()
) -> dict[str, Tensor]:
    """``tensors`` under our names as single precision; finite, variances not negative.

    left_out: names of ours that are not read.
    """
    origin: dict[str, str] = {}
    state: dict[str, Tensor] = {}
    common = common_start(tensors)
    for key, tensor in tensors.items():
        name = our_name(key.removeprefix(common))
        if name is None or name in left_out:
            continue
        if name in origin:
            raise InputError(
                f"Weights must have one tensor {shown(name)}, not both {shown(origin[name])} and "
                f"{shown(key)}: choose the beginning of its names with {OPTION}"
            )
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"Weights {shown(key)} must be floating point, not {kind}")
        origin[name], state[name] = key, tensor.float()
    check_numbers({origin[name]: state[name] for name in state}, "Weights:")
    return state


def common_start(tensors: Mapping[str, Tensor], known: Sequence[str] = KNOWN) -> str:
    """What all names begin with, behind wrappers: the attribute that a trainer keeps a network in.

    "" where there is none, or where it is ``known`` as a part of a network.
    """
    used = [key for key in tensors if not _IGNORED.search(key)]
    starts = {match[0] for key in used if (match := _START.match(key))}
    if len(starts) != 1 or not all(_START.match(key) for key in used):
        return ""
    start = starts.pop()
    bare = WRAPPERS.sub("", start).removesuffix(".").rstrip("0123456789")
    return "" if bare in known else start


def infer_imagenet(state: dict[str, Tensor]) -> dict[str, Any] | None:
    """Fields of its `ImagenetConfig`; None if the state is not an ImageNet network's."""
    if any(state[n].dim() == 0 for n in ("conv1.weight", "fc.weight") if n in state):
        return None
    for arch in IMAGENET:
        width = len(state.get("conv1.weight", ()))
        if width < 4 or width % 4 or "fc.weight" not in state:
            return None
        config = ImagenetConfig(arch=arch, width=width)
        units = {node.name for node in config.nodes() if node.weights}
        if {f"{name}.weight" for name in units} == {
            name for name, tensor in state.items() if name.endswith("weight") and ".bn." not in name
        }:
            return {"arch": arch, "width": width, "classes": len(state["fc.weight"])}
    return None


def infer_config(state: dict[str, Tensor], **changes: Any) -> NetworkConfig:
    """Configuration that fits a state read by `read_state`; ``changes`` replace its fields."""
    if (fields := infer_imagenet(state)) is not None:
        return ImagenetConfig(**{**fields, **changes})
    found = [m for name in state if (m := re.match(r"layer(\d+)\.\d+\.", name))]
    blocks, stages = {m[0] for m in found}, sorted({int(m[1]) for m in found})
    firsts = [state.get(f"layer{s}.0.conv1.weight") for s in stages]
    known = all(w is not None and w.dim() == 4 for w in (*firsts, state.get("conv1.weight")))
    if not blocks or "fc.weight" not in state or state["fc.weight"].dim() != 2 or not known:
        raise InputError("Weights must be those of a CIFAR ResNet (conv1, layerS.J.conv1, fc)")
    option_b = any(".downsample." in name for name in state)
    inferred: dict[str, Any] = {
        "depth": 2 + 2 * len(blocks),
        "shortcut": "B" if option_b else "A",
        "widths": tuple(len(w) for w in firsts if w is not None),
        "classes": len(state["fc.weight"]),
        "mean": APOT_MEAN if option_b else IMAGENET_MEAN,
        "std": APOT_STD if option_b else IMAGENET_STD,
    }
    return CifarConfig(**{**inferred, **changes})


def check_size(state: Mapping[str, Tensor], config: NetworkConfig) -> None:
    """Refuse a network with more weights than the file has, before it is made."""
    count = sum(node.weights for node in config.nodes())
    stored = sum(tensor.numel() for tensor in state.values())
    if count > stored:
        raise InputError(f"Weights must be the {count} of the network they name, not {stored}")


def float_names(model: Network) -> frozenset[str]:
    """Names in its state of what a float network has: no quantizers, no counts of batches."""
    kinds = LowBitActivation | StreamQuantizer | WeightQuantizer | UniformWeight
    inner = tuple(f"{name}." for name, m in model.named_modules() if isinstance(m, kinds))
    state = model.state_dict()
    return frozenset(n for n in state if not n.startswith(inner) and not _IGNORED.search(n))


def head_names(model: Network) -> frozenset[str]:
    """Names in its state of the classifier's parameters: of the last layer with weights."""
    last = next(node for node in reversed(model.nodes) if node.weighted)
    start = f"{last.path or last.name}."
    return frozenset(name for name in float_names(model) if name.startswith(start))


def fitted(
    tensors: Mapping[str, Tensor], needed: frozenset[str], left_out: frozenset[str]
) -> dict[str, Tensor]:
    """``tensors`` under a user's own names ``needed``: as they are, or without what wraps them."""
    plain = {key: tensor for key, tensor in tensors.items() if not _IGNORED.search(key)}
    common = common_start(plain, ())
    readings = (
        plain,
        {WRAPPERS.sub("", key): tensor for key, tensor in plain.items()},
        {key.removeprefix(common): tensor for key, tensor in plain.items()},
    )
    fits = (r for r in readings if len(r) == len(plain) and needed - left_out <= set(r))
    state = next(fits, plain)
    check_numbers(state, "Weights:")
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
        if name not in left_out
    }


@torch.no_grad()
def load_state(
    model: Network, state: dict[str, Tensor], anew: frozenset[str] = frozenset()
) -> None:
    """Copy a state read by `read_state` into ``model``, and start its codebooks from it.

    anew: names of the classifier, which stay as they are.
    """
    own = model.state_dict()
    needed = float_names(model) - anew
    odd = sorted(needed ^ set(state))
    if odd:
        verb = "have" if odd[0] in needed else "not have"
        raise InputError(f"Weights must {verb} a tensor {shown(odd[0])} for {model.config.title}")
    for name in sorted(needed):
        if own[name].shape != state[name].shape:
            hint = f"; {NEW_HEAD} starts the classifier anew" if name in head_names(model) else ""
            raise InputError(
                f"Weights {name!r} must be {tuple(own[name].shape)}, "
                f"not {tuple(state[name].shape)}{hint}"
            )
    for name in sorted(needed):
        own[name].copy_(state[name])
    model.initialise_codebooks()


def load_pretrained(path: str | Path, **changes: Any) -> Network:
    """Float network of the file at ``path``; ``changes`` are fields of its configuration."""
    state = read_state(path)
    config = infer_config(state, **changes)
    check_size(state, config)
    model = Network(config)
    load_state(model, state)
    return model.eval()
