"""Placement: addresses of every tensor of a program in the two activation banks."""

from ...spec.program import SizedNetwork
from ..networks.regions import (
    BOTH,
    Placement,
    Region,
    first_fit,
    lifetimes,
    map_words,
    pad_regions,
)


def place(program: SizedNetwork, rows: int) -> Placement:
    """First fit in the order of the layers; a tensor's region is free again after its last reader.

    A layer reads its input and its residual at the same time, from different banks. A tensor that
    can be in neither bank for that reason (or is both) is stored in both.
    """
    pads = pad_regions(program, rows)
    floor = max((region.end for region in pads.values()), default=0)
    apart = _apart(program)
    tensors: dict[str, Region] = {}
    lives = lifetimes(program)
    for name, (birth, _) in lives.items():
        words = map_words(program, name, rows)
        live = [region for other, region in tensors.items() if lives[other][1] >= birth]
        choices = [
            Region(banks=banks, base=first_fit(live, banks, words, floor), words=words)
            for banks in _banks(name, apart, tensors)
        ]
        tensors[name] = min(choices, key=lambda region: (region.end, region.banks))
    words = max([floor, *(region.end for region in tensors.values())])
    return Placement(tensors=tensors, pads=pads, words=max(1, words))


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
