"""Regions: words of tensors in the two activation banks, how long they are needed, first fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...spec.layers import MacLayer
from ...spec.program import SizedNetwork

BOTH = 0b11
"""Mask of banks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Words `base .. base + words - 1` of every bank in the mask `banks`."""

    banks: int
    base: int
    words: int

    @property
    def end(self) -> int:
        return self.base + self.words


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Region of every stored tensor and of every layer's padding codes; words needed."""

    tensors: dict[str, Region]
    pads: dict[str, Region]
    words: int


def map_words(program: SizedNetwork, tensor: str, rows: int) -> int:
    """Words of a tensor: per pixel, one per block of `rows` channels."""
    channels, height, width = program.tensor_shape(tensor)
    return -(-channels // rows) * height * width


def lifetimes(
    program: SizedNetwork, chained: Mapping[str, str] = MappingProxyType({})
) -> dict[str, tuple[int, int]]:
    """(layer that makes it, last layer that reads it) of every tensor that is stored.

    What comes from outside is there with its first reader. The last layer's codes leave as a
    stream, unless it is a max pool. chained: by layer, the layer that its passes compute too; a
    tensor that is read for that alone is not stored.
    """
    makers = {target: source for source, target in chained.items()}
    lives: dict[str, tuple[int, int]] = {}
    for number, layer in enumerate(program.layers):
        if layer.name in makers:
            lives[layer.name] = (lives[makers[layer.name]][0],) * 2
            continue
        for name in layer.reads:
            lives[name] = lives.get(name, (number, number))[0], number
        lives[layer.name] = number, number
    for name in chained:
        if lives[name][0] == lives[name][1]:
            del lives[name]
    last = program.layers[-1]
    if last.output is None:
        lives[last.name] = len(program.layers) - 1, len(program.layers)
    else:
        del lives[last.name]
    return lives


def pad_regions(program: SizedNetwork, rows: int, padded: str | None = None) -> dict[str, Region]:
    """One word per channel block of every layer whose padding codes are not all 0.

    padded: a layer that has padding, whatever it says itself.
    """
    regions: dict[str, Region] = {}
    base = 0
    for layer in program.layers:
        if not isinstance(layer, MacLayer) or not layer.has_pad_codes:
            continue
        if not any(layer.padding) and layer.name != padded:
            continue
        words = -(-layer.in_channels // rows)
        regions[layer.name] = Region(banks=BOTH, base=base, words=words)
        base += words
    return regions


def first_fit(live: list[Region], banks: int, words: int, floor: int) -> int:
    """Lowest base at which `words` are free in all of `banks`."""
    base = floor
    for region in _in_order(live, banks):
        if region.base >= base + words:
            break
        base = max(base, region.end)
    return base


def _in_order(live: list[Region], banks: int) -> Iterator[Region]:
    yield from sorted((r for r in live if r.banks & banks), key=lambda region: region.base)


def bank(region: Region, other: int = 1) -> int:
    """The bank to read a tensor from: one that holds it, not `other` when it is in both."""
    return {1: 0, 2: 1}.get(region.banks, 1 - other)
