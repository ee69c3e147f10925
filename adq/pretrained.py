"""Float weights of other repositories: CIFAR ResNets as plain safetensors state dicts.

Read: akamaster/pytorch_resnet_cifar10 (option A) and yhhhli/APoT_Quantization (option B, float
model). Their clip parameters and ``num_batches_tracked`` are left out.
"""

import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..spec.errors import InputError
from .resnet import IMAGENET_MEAN, IMAGENET_STD, ResNet, ResNetConfig

APOT_MEAN, APOT_STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)

_IGNORED = re.compile(r"num_batches_tracked$|\.weight_quant\.|\.act_alpha$")
_RENAMES = (
    (re.compile(r"^module\."), ""),
    (re.compile(r"(^|\.)bn([12])\."), r"\1conv\2.bn."),
    (re.compile(r"\.downsample\.0\."), ".downsample."),
    (re.compile(r"\.downsample\.1\."), ".downsample.bn."),
    (re.compile(r"^linear\."), "fc."),
)


def our_name(key: str) -> str | None:
    """Name in our state dict of a foreign ``key``; None for what we do not use."""
    if _IGNORED.search(key):
        return None
    for pattern, replacement in _RENAMES:
        key = pattern.sub(replacement, key)
    return key


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Float tensors of the file at ``path`` under our names."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Weights must be an existing file, not {str(path)!r}")
    try:
        with safe_open(path, "pt") as file:
            # the handle has no iteration of its own
            named = {key: our_name(key) for key in file.keys()}  # noqa: SIM118
            return {name: file.get_tensor(key).float() for key, name in named.items() if name}
    except SafetensorError as error:
        raise InputError(
            f"Weights must be a safetensors file, not {str(path)!r}: {error}"
        ) from None


def infer_config(state: dict[str, Tensor], **changes: object) -> ResNetConfig:
    """Configuration that fits a state read by `read_state`; ``changes`` replace its fields."""
    blocks = {m[0] for name in state if (m := re.match(r"layer\d+\.\d+\.", name))}
    stages = sorted({int(name[5]) for name in blocks})
    firsts = [state.get(f"layer{s}.0.conv1.weight") for s in stages]
    if not blocks or "fc.weight" not in state or any(w is None for w in firsts):
        raise InputError("Weights must be those of a CIFAR ResNet (conv1, layerS.J.conv1, fc)")
    option_b = any(".downsample." in name for name in state)
    inferred: dict[str, object] = {
        "depth": 2 + 2 * len(blocks),
        "shortcut": "B" if option_b else "A",
        "widths": tuple(len(w) for w in firsts if w is not None),
        "classes": len(state["fc.weight"]),
        "mean": APOT_MEAN if option_b else IMAGENET_MEAN,
        "std": APOT_STD if option_b else IMAGENET_STD,
    }
    return ResNetConfig(**{**inferred, **changes})


@torch.no_grad()
def load_state(model: ResNet, state: dict[str, Tensor]) -> None:
    """Copy a state read by `read_state` into ``model``, and start its codebooks from it."""
    own = model.state_dict()
    needed = {
        name for name in own if not re.search(r"\.(output|quantizer)\.|num_batches_tracked$", name)
    }
    odd = sorted(needed ^ set(state))
    if odd:
        verb = "have" if odd[0] in needed else "not have"
        raise InputError(f"Weights must {verb} a tensor {odd[0]!r} for depth {model.config.depth}")
    for name in sorted(needed):
        if own[name].shape != state[name].shape:
            raise InputError(
                f"Weights {name!r} must be {tuple(own[name].shape)}, not {tuple(state[name].shape)}"
            )
        own[name].copy_(state[name])
    model.initialise_codebooks()


def load_pretrained(path: str | Path, **changes: object) -> ResNet:
    """Float network of the file at ``path``; ``changes`` are fields of its `ResNetConfig`."""
    state = read_state(path)
    model = ResNet(infer_config(state, **changes))
    load_state(model, state)
    return model.eval()
