"""Placement: addresses of every tensor of a program in the two activation banks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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


def place(program: SizedNetwork, rows: int) -> Placement:
    """First fit in the order of the layers; a tensor's region is free again after its last reader.

    A layer reads its input and its residual at the same time, from different banks. A tensor that
    can be in neither bank for that reason (or is both) is stored in both.
    """
    pads = _pads(program, rows)
    floor = max((region.end for region in pads.values()), default=0)
    apart = _apart(program)
    tensors: dict[str, Region] = {}
    lives = lifetimes(program)
    for name, (birth, _) in lives.items():
        words = map_words(program, name, rows)
        live = [region for other, region in tensors.items() if lives[other][1] >= birth]
        choices = [
            Region(banks=banks, base=_first_fit(live, banks, words, floor), words=words)
            for banks in _banks(name, apart, tensors)
        ]
        tensors[name] = min(choices, key=lambda region: (region.end, region.banks))
    words = max([floor, *(region.end for region in tensors.values())])
    return Placement(tensors=tensors, pads=pads, words=max(1, words))


def map_words(program: SizedNetwork, tensor: str, rows: int) -> int:
    """Words of a tensor: per pixel, one per block of `rows` channels."""
    channels, height, width = program.tensor_shape(tensor)
    return -(-channels // rows) * height * width


def lifetimes(program: SizedNetwork) -> dict[str, tuple[int, int]]:
    """(layer that makes it, last layer that reads it) of every tensor that is stored.

    What comes from outside is there with its first reader. The last layer's codes leave as a
    stream, unless it is a max pool.
    """
    lives: dict[str, tuple[int, int]] = {}
    for number, layer in enumerate(program.layers):
        for name in layer.reads:
            lives[name] = lives.get(name, (number, number))[0], number
        lives[layer.name] = number, number
    last = program.layers[-1]
    if last.output is None:
        lives[last.name] = len(program.layers) - 1, len(program.layers)
    else:
        del lives[last.name]
    return lives


def _pads(program: SizedNetwork, rows: int) -> dict[str, Region]:
    """One word per channel block of every layer whose padding codes are not all 0."""
    regions: dict[str, Region] = {}
    base = 0
    for layer in program.layers:
        if not isinstance(layer, MacLayer) or not any(layer.padding) or not np.any(layer.pad_codes):
            continue
        words = -(-layer.in_channels // rows)
        regions[layer.name] = Region(banks=BOTH, base=base, words=words)
        base += words
    return regions


def _apart(program: SizedNetwork) -> dict[str, set[str]]:
    """Tensors that are read at the same time as the tensor."""
    apart: dict[str, set[str]] = {}
    for layer in program.layers:
        if layer.skip is not None:
            apart.setdefault(layer.input, set()).add(layer.skip.tensor)
            apart.setdefault(layer.skip.tensor, set()).add(layer.input)
    return apart


def _banks(name: str, apart: dict[str, set[str]], tensors: dict[str, Region]) -> list[int]:
    """Masks that the tensor may have, given what is placed."""
    others = apart.get(name, set())
    taken = {tensors[other].banks for other in others if other in tensors} - {BOTH}
    free = [banks for banks in (1, 2) if banks not in taken]
    return [BOTH] if name in others or not free else free


def _first_fit(live: list[Region], banks: int, words: int, floor: int) -> int:
    """Lowest base at which `words` are free in all of `banks`."""
    base = floor
    for region in _in_order(live, banks):
        if region.base >= base + words:
            break
        base = max(base, region.end)
    return base


def _in_order(live: list[Region], banks: int) -> Iterator[Region]:
    yield from sorted((r for r in live if r.banks & banks), key=lambda region: region.base)
