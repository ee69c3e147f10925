"""Settings of `quantize`, and the configuration of the network that it makes."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...spec.errors import InputError
from ...spec.networks import Nodes
from ..networks.config import NetworkConfig
from ..quantizers.methods import Method

SLACK = 0.51
"""Input codes by which a value may be outside 0..255: rounding, and the float arithmetic of it."""


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig:
    """How a module is quantized; names as in a recipe's `quant`."""

    weight_width: int = 4
    """Bits of a codebook index of every hidden layer that ``weight_widths`` does not name (2..8).
    The first and the last layer have uniform weights of 8 bits."""
    act_width: int = 4
    """Bits of activations between layers (1..8); 2 at least where values of both signs are read."""
    weight_widths: Mapping[str, int] = field(default_factory=dict)
    """Bits per named layer, for example `{"features.3": 3}`: the result of an allocation."""
    method: Method = field(default_factory=Method)
    """Rules of weights and activations."""
    mean: tuple[float, ...] | float | None = None
    """Of pixels / 255, per input channel: the model reads (pixel / 255 - mean) / std. Without both
    it reads real features, in a range that is measured on the example images."""
    std: tuple[float, ...] | float | None = None
    act_quantile: float = 0.999
    """Share of the examples' values inside the range of an activation."""
    stream_quantile: float = 0.9999
    """The same of an 8-bit stream."""
    renew_norms: int = 256
    """Example images from which on running statistics of batch norms are measured anew."""

    def __post_init__(self) -> None:
        for name, low in (("weight_width", 2), ("act_width", 1)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= 8:
                raise InputError(f"{name} must be an integer in {low}..8, not {value!r}")
        for layer, width in self.weight_widths.items():
            if type(width) is not int or not 2 <= width <= 8:
                raise InputError(f"weight_widths of {layer!r} must be in 2..8, not {width!r}")
        if (self.mean is None) != (self.std is None):
            raise InputError("mean and std must be given both or not at all")


@dataclass(frozen=True, kw_only=True)
class TracedConfig(NetworkConfig):
    """The network of a user's module."""

    layout: Nodes
    """Its nodes, in the order of the program."""
    model: str
    """Name of the module's class."""
    shape: tuple[int, int, int]
    """(C, H, W) of the input."""
    maps: bool = False
    """Whether the result is (N, C, H, W)."""
    saturates: bool = False
    """Whether values outside the range of the input codes are clipped; refused otherwise."""

    @property
    def title(self) -> str:
        return self.model

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.shape

    @property
    def makes_maps(self) -> bool:
        return self.maps

    @property
    def follows(self) -> bool:
        return True

    def nodes(self) -> Nodes:
        return self.layout

    def hidden_names(self) -> list[str]:
        return [node.name for node in self.layout if node.coded]

    def as_maps(self, images: Tensor) -> Tensor:
        if images.dim() < 2 or math.prod(images.shape[1:]) != math.prod(self.shape):
            raise InputError(
                f"Input must be (N, {', '.join(map(str, self.shape))}), not {tuple(images.shape)}"
            )
        return images.reshape(len(images), *self.shape)

    def pixels(self, values: Tensor) -> Tensor:
        codes = super().pixels(values)
        if self.saturates:
            return codes
        low, high = (float(x) for x in torch.aminmax(codes.detach()))
        if not -SLACK <= low <= high <= 255 + SLACK:
            raise InputError(
                "Input must be (pixel / 255 - mean) / std of pixels in 0..255 (config.mean, "
                f"config.std), not of pixels in {low:.4g}..{high:.4g}"
            )
        return codes

    def facts(self) -> dict[str, Any]:
        names = ("model", "shape", "mean", "std", "act_width", "weight_width", "weight_widths")
        return {name: getattr(self, name) for name in names} | {"method": asdict(self.method)}
