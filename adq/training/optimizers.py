"""The optimizers of a recipe, and their state by the names of the parameters."""

from collections.abc import Iterator, Mapping
from typing import assert_never

import torch
from torch import Tensor, nn

from ..networks.network import Network
from ..recipes.config import OptimConfig

MOMENTUM = "momentum_buffer"
ADAM = ("step", "exp_avg", "exp_avg_sq")


def make_optimizer(model: Network, config: OptimConfig) -> torch.optim.Optimizer:
    """Parameter groups: decayed weights, the rest, and quantizers at lower rates."""
    rules = [
        (list(model.weight_parameters()), config.weight_decay, 1.0),
        (list(model.scale_parameters()), 0.0, 1.0),
        *((part, 0.0, factor) for part, factor in _quantizers(model, config)),
    ]
    groups = [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for parameters, decay, factor in rules
    ]
    decays = (config.momentum, config.beta2)
    match config.kind:
        case "sgd":
            return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
        case "adam":
            return torch.optim.Adam(groups, lr=config.lr, betas=decays)
        case "adamw":
            return torch.optim.AdamW(groups, lr=config.lr, betas=decays)
        case unknown:
            assert_never(unknown)


def _quantizers(model: Network, config: OptimConfig) -> Iterator[tuple[list[nn.Parameter], float]]:
    """Parameters of quantizers with the factor of their rate."""
    own = {"lengths": config.length_lr_factor, "push": config.level_lr_factor}
    apart = {
        id(parameter): name.rpartition(".")[2]
        for name, parameter in model.named_parameters()
        if own.get(name.rpartition(".")[2]) is not None
    }
    every = list(model.quantizer_parameters())
    yield [p for p in every if id(p) not in apart], config.quantizer_lr_factor
    for kind, factor in own.items():
        if factor is not None:
            yield [p for p in every if apart.get(id(p)) == kind], factor


def momentum(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """SGD's buffers by parameter; none before the first step."""
    return _state(optimizer, model, MOMENTUM)


def adam_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Adam's counts and averages, as ``<kind>.<parameter>``."""
    return {
        f"{kind}.{name}": tensor
        for kind in ADAM
        for name, tensor in _state(optimizer, model, kind).items()
    }


def _state(optimizer: torch.optim.Optimizer, model: nn.Module, kind: str) -> dict[str, Tensor]:
    states = {
        name: optimizer.state.get(parameter, {}).get(kind)
        for name, parameter in model.named_parameters()
    }
    return {name: tensor for name, tensor in states.items() if tensor is not None}


def restore(
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    buffers: Mapping[str, Tensor],
    extra: Mapping[str, Tensor],
) -> None:
    """Restore what `momentum` and `adam_state` return."""
    for name, parameter in model.named_parameters():
        state = optimizer.state[parameter]
        if name in buffers:
            state[MOMENTUM] = buffers[name].to(parameter.device)
        for kind in ADAM:
            if f"{kind}.{name}" in extra:
                tensor = extra[f"{kind}.{name}"]
                # Adam keeps its count of steps on the host
                state[kind] = tensor if kind == "step" else tensor.to(parameter.device)
