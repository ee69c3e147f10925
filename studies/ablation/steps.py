"""What a step per image of activations could gain: oracles on a trained network.

ASQ (arXiv 2504.17263) scales the step of an activation by a factor per image. Its integer form
would be a power of two: codes of ``x / 2^k`` stand for values ``2^k`` times as large. Here ``k`` is
chosen per image and activation by an oracle: the one with the least squared error, or, knowing the
label, the one with the least loss. The second selects among answers by the label and gains by
selection alone; a control selects as often among changes that adapt nothing, offsets of a quarter
of a code.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...adq.networks.network import Network
from ...adq.quantizers.low_bit import LowBitActivation
from ...adq.tensors import Mode, Signal
from ...spec.errors import InputError

CHOICES = (0, -1, 1)
"""Exponents of the step, or quarters of a code; the first of equals is taken."""
BATCH = 64
OCTAVE = 0.5
"""Of the mean of a map from its usual one: beyond it a step of twice or half the size is nearer."""

Quantize = Callable[[Tensor], Signal]
Change = Callable[[Quantize, Tensor, Tensor, float], Tensor]
"""Codes, in units of the layer's step, of a map by its quantizer, changed by a choice per image."""


def by_step(quantize: Quantize, x: Tensor, choice: Tensor, scale: float) -> Tensor:
    """A step ``2^choice`` times as large."""
    factor = torch.exp2(choice.to(x.dtype)).view(-1, *[1] * (x.dim() - 1))
    return quantize(x / factor).data * factor


def by_offset(quantize: Quantize, x: Tensor, choice: Tensor, scale: float) -> Tensor:
    """The same step, inputs moved by ``choice`` quarters of a code."""
    offset = choice.to(x.dtype).view(-1, *[1] * (x.dim() - 1)) * (scale / 4)
    return quantize(x + offset).data


class Spread(NamedTuple):
    """Sizes of the maps that activations read, over the images."""

    deviation: float
    """Of log2 of a map's mean, mean over the activations."""
    beyond: float
    """Share of maps further than `OCTAVE` from the middle one of their activation."""


class Errors(NamedTuple):
    """Squared errors of the codes, as shares of those with the layers' steps."""

    layer: float
    """With the best exponent of each activation, the same for all images."""
    image: float
    """With the best exponent of each image."""
    chosen: float
    """Share of images and activations with another exponent than 0."""


class Answers(NamedTuple):
    """A network's answers to N images under a choice."""

    loss: Tensor
    """Cross entropy (N,)."""
    top: Tensor
    """Class (N,)."""
    chosen: float
    """Share of images and activations whose choice is not 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Oracles:
    """Everything that was found of one network."""

    activations: int
    spread: Spread
    errors: Errors
    plain: Answers
    error: Answers
    """Steps by the least error."""
    loss: Answers
    """Steps by the least loss, one activation after the other."""
    control: Answers
    """Offsets by the least loss."""


class _Probe:
    """Stands in for the ``quantize`` of one activation."""

    def __init__(self, unit: LowBitActivation) -> None:
        self.quantize, self.scale = unit.quantize, unit.scale
        self.change: Change = by_step
        self.choice: Tensor | None = None
        self.adapts = False
        """Whether it chooses by error, and keeps what it chose."""
        self.sizes: list[Tensor] = []
        self.errors: list[Tensor] = []

    def __call__(self, x: Tensor) -> Signal:
        if self.adapts:
            return Signal(self._least_error(x), self.scale)
        if self.choice is None:
            return Signal(self.quantize(x).data, self.scale)
        return Signal(self.change(self.quantize, x, self.choice, self.scale), self.scale)

    def _least_error(self, x: Tensor) -> Tensor:
        real, images = x.clamp(min=0), len(x)
        self.sizes.append(real.flatten(1).mean(1).double())
        every = [by_step(self.quantize, x, torch.full((images,), k), self.scale) for k in CHOICES]
        gaps = [(codes * self.scale - real).double().flatten(1).square().sum(1) for codes in every]
        errors = torch.stack(gaps, 1)
        self.errors.append(errors)
        best = errors.argmin(1)
        return torch.stack(every)[best, torch.arange(images)]


@contextmanager
def _probed(model: Network) -> Iterator[list[_Probe]]:
    """Probes on the activations that read maps, in the order of execution."""
    units: list[LowBitActivation] = []
    for node in model.nodes:
        output = getattr(model.units()[node.name], "output", None)
        if isinstance(output, LowBitActivation) and not any(output is unit for unit in units):
            units.append(output)
    if not units:
        raise InputError("Network must have activations of few bits, not none")
    probes = [_Probe(unit) for unit in units]
    for unit, probe in zip(units, probes, strict=True):
        unit.__dict__["quantize"] = probe
    try:
        yield probes
    finally:
        for unit in units:
            del unit.__dict__["quantize"]


def oracles(
    model: Network, images: Tensor, labels: Tensor, tell: Callable[[str], None] = lambda text: None
) -> Oracles:
    """Measure a trained network on ``images`` (N, C, H, W) uint8 with their ``labels`` (N,).

    Its codebooks are frozen. Activations need a scale that holds for all images.
    """
    learned = [p for p in model.parameters() if p.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    # gradients are allowed, though none is asked for: without them the network would evaluate its
    # integer program's codes, which have one step for all images
    try:
        with model.evaluating(Mode.FAKEQUANT), torch.enable_grad(), _probed(model) as probes:
            return _measured(model, probes, images, labels, tell)
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


def _measured(
    model: Network, probes: list[_Probe], images: Tensor, labels: Tensor,
    tell: Callable[[str], None],
) -> Oracles:  # fmt: skip
    plain = _answers(model, images, labels)
    for probe in probes:
        probe.adapts = True
    tell("steps by error")
    error = _answers(model, images, labels)
    for probe in probes:
        probe.adapts = False
    errors = torch.stack([torch.cat(probe.errors) for probe in probes])
    sizes = torch.stack([torch.cat(probe.sizes) for probe in probes])
    found = _errors(errors)
    tell("steps by loss")
    loss = _by_loss(model, probes, (images, labels), by_step)
    tell("offsets by loss")
    control = _by_loss(model, probes, (images, labels), by_offset)
    return Oracles(
        activations=len(probes), spread=_spread(sizes), errors=found, plain=plain,
        error=error._replace(chosen=found.chosen), loss=loss, control=control,
    )  # fmt: skip


def _spread(sizes: Tensor) -> Spread:
    """sizes: means of maps (activations, N)."""
    octaves = sizes.clamp(min=1e-12).log2()
    gap = (octaves - octaves.median(1, keepdim=True).values).abs()
    beyond = (gap > OCTAVE).double().mean()
    return Spread(float(octaves.std(1).mean()), float(beyond))


def _errors(errors: Tensor) -> Errors:
    """errors: squared (activations, N, choices); the mean of the activations' shares."""
    plain = errors[..., 0].sum(1)
    return Errors(
        layer=float((errors.sum(1).min(1).values / plain).mean()),
        image=float((errors.min(2).values.sum(1) / plain).mean()),
        chosen=float((errors.argmin(2) != 0).double().mean()),
    )


def _by_loss(
    model: Network, probes: list[_Probe], data: tuple[Tensor, Tensor], change: Change
) -> Answers:
    """One activation after the other takes, per image, what lowers the loss."""
    images, labels = data
    choices = {place: torch.zeros(len(labels), dtype=torch.int64) for place in range(len(probes))}
    for probe in probes:
        probe.change = change
    best = _answers(model, images, labels, probes, choices)
    for place in choices:
        for choice in CHOICES[1:]:
            trial = {**choices, place: torch.full_like(choices[place], choice)}
            tried = _answers(model, images, labels, probes, trial)
            better = tried.loss < best.loss
            choices[place] = torch.where(better, choice, choices[place])
            loss = torch.where(better, tried.loss, best.loss)
            best = Answers(loss, torch.where(better, tried.top, best.top), 0.0)
    for probe in probes:
        probe.choice = None
    chosen = torch.stack([choice != 0 for choice in choices.values()]).double().mean()
    return best._replace(chosen=float(chosen))


def _answers(
    model: Network, images: Tensor, labels: Tensor, probes: list[_Probe] | None = None,
    choices: Mapping[int, Tensor] | None = None,
) -> Answers:  # fmt: skip
    logits = []
    for first in range(0, len(images), BATCH):
        part = slice(first, first + BATCH)
        for place, choice in (choices or {}).items():
            assert probes is not None
            probes[place].choice = choice[part]
        logits.append(model(images[part]).detach())
    every = torch.cat(logits)
    return Answers(F.cross_entropy(every, labels, reduction="none").double(), every.argmax(1), 0.0)
