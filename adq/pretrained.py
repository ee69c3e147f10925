"""Float weights of other repositories as plain safetensors state dicts.

Read: akamaster/pytorch_resnet_cifar10 (option A), yhhhli/APoT_Quantization (option B, float model),
and torchvision's ResNet-18/34/50 and MobileNet-V2. Clip parameters and ``num_batches_tracked`` are
left out. A .pth file is converted once, where its origin is trusted:
``safetensors.torch.save_file(torch.load(FILE, weights_only=True), "resnet18.safetensors")``.
"""

import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..spec.errors import InputError
from .graph import GraphConfig, GraphNetwork
from .network import Network
from .resnet import IMAGENET_MEAN, IMAGENET_STD, ResNet, ResNetConfig
from .topologies import MOBILENET_STAGES, TOPOLOGIES

APOT_MEAN, APOT_STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)

_IGNORED = re.compile(r"num_batches_tracked$|\.weight_quant\.|\.act_alpha$")
_RENAMES = (
    (re.compile(r"^module\."), ""),
    (re.compile(r"(^|\.)bn([123])\."), r"\1conv\2.bn."),
    (re.compile(r"\.downsample\.0\."), ".downsample."),
    (re.compile(r"\.downsample\.1\."), ".downsample.bn."),
    (re.compile(r"^linear\."), "fc."),
)


def our_name(key: str) -> str | None:
    """Name in our state dict of a foreign ``key``; None for what we do not use."""
    if _IGNORED.search(key):
        return None
    if key.startswith(("features.", "classifier.")):
        return mobilenet_name(key)
    for pattern, replacement in _RENAMES:
        key = pattern.sub(replacement, key)
    return key


def mobilenet_name(key: str) -> str | None:
    """Name in our state dict of a ``key`` of torchvision's MobileNet-V2; None if there is none."""
    if match := re.fullmatch(r"classifier\.1\.(weight|bias)", key):
        return f"fc.{match[1]}"
    blocks = [(s, b) for s, row in enumerate(MOBILENET_STAGES) for b in range(row[2])]
    ends = {0: "conv1", len(blocks) + 1: "last"}
    if match := re.fullmatch(r"features\.(\d+)\.([01])\.(\w+)", key):
        unit = ends.get(int(match[1]))
        return unit and f"{unit}.{'bn.' if match[2] == '1' else ''}{match[3]}"
    match = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(?:([01])\.)?(\w+)", key)
    if match is None or not 1 <= int(match[1]) <= len(blocks):
        return None
    stage, block = blocks[int(match[1]) - 1]
    roles = ("depthwise", "project") if stage == 0 else ("expand", "depthwise", "project")
    place, inner = int(match[2]), match[3]
    # convolution and batch norm are a pair in a place, but for the last: there they have two
    norm = inner == "1" if inner is not None else place == len(roles)
    role = roles[min(place, len(roles) - 1)]
    return f"block{stage}.{block}.{role}.{'bn.' if norm else ''}{match[4]}"


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


def infer_graph(state: dict[str, Tensor]) -> dict[str, object] | None:
    """Fields of the `GraphConfig` of an ImageNet network; None if the state is of another one."""
    for arch in TOPOLOGIES:
        width = len(state.get("conv1.weight", ()))
        if width < 4 or width % 4 or "fc.weight" not in state:
            return None
        config = GraphConfig(arch=arch, width=width)
        units = {node.name for node in config.nodes() if node.kind in ("input", "conv", "fc")}
        if {f"{name}.weight" for name in units} == {
            name for name, tensor in state.items() if name.endswith("weight") and ".bn." not in name
        }:
            return {"arch": arch, "width": width, "classes": len(state["fc.weight"])}
    return None


def infer_config(state: dict[str, Tensor], **changes: object) -> ResNetConfig | GraphConfig:
    """Configuration that fits a state read by `read_state`; ``changes`` replace its fields."""
    if (graph := infer_graph(state)) is not None:
        return GraphConfig(**{**graph, **changes})
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
def load_state(model: Network, state: dict[str, Tensor]) -> None:
    """Copy a state read by `read_state` into ``model``, and start its codebooks from it."""
    own = model.state_dict()
    needed = {
        name for name in own if not re.search(r"\.(output|quantizer)\.|num_batches_tracked$", name)
    }
    odd = sorted(needed ^ set(state))
    if odd:
        verb = "have" if odd[0] in needed else "not have"
        depth = getattr(model.config, "depth", None)
        network = f"depth {depth}" if depth else model.config.arch
        raise InputError(f"Weights must {verb} a tensor {odd[0]!r} for {network}")
    for name in sorted(needed):
        if own[name].shape != state[name].shape:
            raise InputError(
                f"Weights {name!r} must be {tuple(own[name].shape)}, not {tuple(state[name].shape)}"
            )
        own[name].copy_(state[name])
    model.initialise_codebooks()


def load_pretrained(path: str | Path, **changes: object) -> Network:
    """Float network of the file at ``path``; ``changes`` are fields of its configuration."""
    state = read_state(path)
    config = infer_config(state, **changes)
    model = GraphNetwork(config) if isinstance(config, GraphConfig) else ResNet(config)
    load_state(model, state)
    return model.eval()
