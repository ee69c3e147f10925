"""An exponential moving average of the weights, which is measured and exported in their place.

Parameters and batch-norm statistics are averaged. Codebooks are not: they are averages already, and
once frozen they are integers; averaged latent weights are assigned to the codebook as it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def averaged_names(model: nn.Module) -> list[str]:
    """Names of the tensors that are averaged."""
    statistics = [
        n for n, _ in model.named_buffers() if n.endswith((".running_mean", ".running_var"))
    ]
    return [name for name, _ in model.named_parameters()] + statistics


class Average:
    """Averages of a model's tensors by name."""

    def __init__(self, model: nn.Module, decay: float, tensors: Mapping[str, Tensor] | None = None):
        state, self.decay = model.state_dict(), decay
        source = state if tensors is None else tensors
        self.tensors = {
            name: source[name].detach().clone().to(state[name].device)
            for name in averaged_names(model)
        }

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move toward the weights after optimizer step ``step`` (0, 1, ...)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        state = model.state_dict()
        for name, tensor in self.tensors.items():
            tensor.lerp_(state[name], 1 - decay)

    @torch.no_grad()
    def load_into(self, model: nn.Module) -> None:
        """Replace the model's weights by the averages."""
        state = model.state_dict()
        for name, tensor in self.tensors.items():
            state[name].copy_(tensor)

    @contextmanager
    def shown(self, model: nn.Module) -> Iterator[None]:
        """Give the model the averaged weights inside the block."""
        state = model.state_dict()
        own = {name: state[name].clone() for name in self.tensors}
        self.load_into(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in own.items():
                    state[name].copy_(tensor)
