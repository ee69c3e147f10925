"""`quantize`: a user's PyTorch module becomes a trainable quantized network."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ...spec.host.text import printable
from ...spec.program import Program
from ..export.export import export
from ..networks.calibrate import calibrate, recalibrate_batch_norm
from ..networks.config import NetworkConfig
from ..networks.network import Network
from ..networks.state_check import check_numbers
from ..tensors import Mode
from .config import QuantizeConfig, TracedConfig
from .fuse import fuse
from .lower import lower
from .trace import read

BATCH = 64
SAMPLES = 4
"""Example images on which the traced network is compared with the module."""
TOLERANCE = 1e-3
"""Largest difference of the two, of the largest result: both round their sums."""


class QuantizedModule(Network):
    """A `Network` that exports itself; it computes as any other.

    A state dict without quantizers (the user's own float weights, ``strict=False``) starts the
    codebooks anew.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.register_load_state_dict_post_hook(_restart)

    def export(
        self, images: Tensor | None = None, *, provenance: dict[str, Any] | None = None
    ) -> Program:
        """The integer program; from then on codebooks are frozen.

        images: as the forward pass takes them; with them the running statistics of batch norms are
        measured anew, after the codebooks were rounded. provenance: JSON data for the program.
        """
        self.freeze_codebooks()
        if images is not None:
            recalibrate_batch_norm(self, _batches(images.to(self.device)))
        return export(self, provenance=provenance)


def _restart(network: nn.Module, keys: Any) -> None:
    """Start the codebooks that a loaded state did not have from its weights."""
    assert isinstance(network, QuantizedModule)
    if any(".quantizer." in key for key in keys.missing_keys):
        network.initialise_codebooks()


def quantize(
    model: nn.Module, example_images: Tensor, config: QuantizeConfig | None = None
) -> QuantizedModule:
    """A quantized network with the parameters of ``model``, calibrated and ready to be trained.

    model: float weights, traced in evaluation; it is left as it is. example_images: (N, C, H, W) or
    (N, features), what the model reads (float), or uint8 pixels with ``config.mean`` and ``std``;
    some 100 of them set the ranges. The result takes the same tensors, gives the same logits, has
    the model's parameter names in its ``state_dict``, and makes a program by ``export``. Raises
    `InputError` with module, file and line for what has no integer form (docs/frontend.md).

    >>> module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> network = quantize(module, torch.rand(8, 1, 4, 4), QuantizeConfig(weight_width=3))
    >>> program = network.eval().export()
    >>> [(layer.kind.value, layer.weight_width) for layer in program.mac_layers]
    [('conv', 8), ('conv', 8)]
    """
    config = config or QuantizeConfig()
    images = _checked(example_images)
    network = traced(model, images, config)
    network.to(next(iter(model.parameters())).device)
    _calibrate(network, images, config)
    return network.train(model.training)


def traced(model: nn.Module, images: Tensor, config: QuantizeConfig) -> QuantizedModule:
    """The network of a module in float mode, with its weights; nothing is calibrated.

    images: as of `quantize`; one is enough, but where the range of features is measured on them.
    """
    _check_model(model)
    entry = _Entry(images, config)
    reader = read(model, entry.real(images))
    entry.fit(reader.shape)
    fuse(reader.graph)
    layout = lower(reader.graph, config.act_width, _as_map(reader.shape))
    network = QuantizedModule(
        TracedConfig(
            layout=layout, model=type(model).__name__, shape=_as_map(reader.shape),
            maps=not reader.flat_result, saturates=entry.saturates, mean=entry.mean, std=entry.std,
            act_width=config.act_width, weight_width=config.weight_width,
            weight_widths=tuple(sorted(config.weight_widths.items())), method=config.method,
            classes=layout[-1].channels,
        )
    )  # fmt: skip
    _load(network, model)
    network.initialise_codebooks()
    if not reader.random:
        _check_same(network, model, entry.real(images[:SAMPLES]))
    return network


class _Entry:
    """The step from real values to the codes of the input."""

    def __init__(self, images: Tensor, config: QuantizeConfig) -> None:
        self.saturates = config.mean is None and images.is_floating_point()
        mean, std = config.mean, config.std
        if mean is None or std is None:
            mean, std = (0.0, 1.0) if not images.is_floating_point() else _affine(images)
        self.given = mean, std
        self.mean: tuple[float, ...] = ()
        self.std: tuple[float, ...] = ()

    def fit(self, shape: tuple[int, ...]) -> None:
        """One mean and deviation for each channel of the input."""
        channels = shape[0]
        for name, values in zip(("mean", "std"), self.given, strict=True):
            each = (float(values),) * channels if isinstance(values, int | float) else tuple(values)
            if len(each) != channels:
                raise InputError(
                    f"{name} must have {channels} numbers, one per channel, not {len(each)}"
                )
            setattr(self, name, each)

    def real(self, images: Tensor) -> Tensor:
        """The images as the model reads them."""
        if images.is_floating_point():
            return images
        mean, std = (
            torch.as_tensor(v, dtype=torch.float32).view(-1, *[1] * (images.dim() - 2))
            for v in self.given
        )
        return (images.float() / 255 - mean.to(images.device)) / std.to(images.device)


def _affine(values: Tensor) -> tuple[float, float]:
    """Mean and std with which codes 0..255 reach over all of the values and over zero."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    step = (high - low) / 255 or 1.0
    return min(round(-low / step), 255) / 255, 1.0 / (255 * step)


def _check_model(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(f"Model must be a torch.nn.Module, not {_kind(model)}")
    if next(iter(model.parameters()), None) is None:
        raise InputError("Model must have parameters, not none")
    check_numbers(model.state_dict(), "Model:")


def _kind(value: object) -> str:
    return printable(type(value).__name__)


def _checked(images: object) -> Tensor:
    if not isinstance(images, Tensor):
        raise InputError(f"Example images must be one tensor (N, ...), not {_kind(images)}")
    if images.dim() not in (2, 4) or 0 in images.shape:
        raise InputError(
            f"Example images must be (N, C, H, W) or (N, features), not {tuple(images.shape)}"
        )
    if images.dtype not in (torch.float32, torch.uint8):
        raise InputError(f"Example images must be float32 or uint8, not {images.dtype}")
    if images.is_floating_point() and not torch.isfinite(images).all():
        raise InputError("Example images must be finite, not NaN or infinite")
    return images


def _as_map(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])


@torch.no_grad()
def _load(network: Network, model: nn.Module) -> None:
    """The model's parameters and statistics into the network, which has the same names."""
    given, own = model.state_dict(), network.state_dict()
    for name, tensor in own.items():
        if name in given:
            tensor.copy_(given[name].view_as(tensor))


@torch.no_grad()
def _check_same(network: Network, model: nn.Module, images: Tensor) -> None:
    """Refuse a network that computes something else in float mode than the module."""
    twin = copy.deepcopy(model).cpu().eval()
    expected = twin(images.cpu())
    with network.evaluating(Mode.FLOAT):
        found = network(images.cpu())
    gap, largest = float((found - expected).abs().max()), float(expected.abs().max())
    if not gap <= TOLERANCE * largest + 1e-6:
        raise InputError(
            f"Model {_kind(model)} must compute what its trace computes (does it change a tensor "
            f"in place that it reads in another shape too?), not differ by {gap:.3g} in results up "
            f"to {largest:.3g}"
        )


def _batches(images: Tensor) -> Iterator[Tensor]:
    yield from images.split(BATCH)


def _calibrate(network: Network, images: Tensor, config: QuantizeConfig) -> None:
    """Codebooks, ranges and, with enough images, batch norm statistics."""
    images = images.to(network.device)
    calibrate(
        network, _batches(images), act_quantile=config.act_quantile,
        stream_quantile=config.stream_quantile,
    )  # fmt: skip
    network.set_mode(Mode.FAKEQUANT)
    if len(images) >= config.renew_norms:
        recalibrate_batch_norm(network, _batches(images))
