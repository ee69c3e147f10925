"""Placement: tensors in two activation banks, of which each has one read and one write port."""

from collections.abc import Mapping
from types import MappingProxyType

from ...spec.host.kept import kept
from ...spec.program import INPUT, SizedNetwork
from ..networks.regions import (
    BOTH,
    Placement,
    Region,
    first_fit,
    lifetimes,
    map_words,
    pad_regions,
)
from ..timing.chaining import Apart, banks_of, chains, read_together, single_banked
from ..timing.folding import Fold
from .fold import folded_sizes


def place(
    program: SizedNetwork,
    chained: Mapping[str, str],
    rows: int,
    padded: str | None = None,
    sizes: Mapping[str, int] = MappingProxyType({}),
) -> Placement:
    """First fit in the order in which tensors are made; a region is free after its last reader.

    A layer reads its input and its residual at the same time, so from different banks; a chain
    writes both of its tensors at the same time, into different banks. A tensor outside of chains
    that can be in neither bank for that reason is stored in both. padded: the layer whose padding
    is in the input. sizes: words of the tensors that are not stored as a whole.
    """
    pads = pad_regions(program, rows, padded)
    floor = max((region.end for region in pads.values()), default=0)
    apart, both = _sides(program, chained, rows)
    lives = lifetimes(program, chained)
    tensors: dict[str, Region] = {}
    banks: dict[str, int] = {}  # of side 0 of a set of tensors
    for name in sorted(lives, key=lambda name: lives[name][0]):
        words = sizes.get(name) or map_words(program, name, rows)
        live = [tensors[other] for other in tensors if lives[other][1] >= lives[name][0]]
        root, side = apart.side(name)
        choices = [BOTH] if name in both else [1, 2]
        if name not in both and root in banks:
            choices = [banks[root] ^ (BOTH if side else 0)]
        regions = [
            Region(banks=mask, base=first_fit(live, mask, words, floor), words=words)
            for mask in choices
        ]
        # the input pass reads its padding codes in bank 0, where no job could store beside it
        other = name == INPUT and name in sizes
        region = tensors[name] = min(regions, key=lambda r: (r.end, -r.banks if other else r.banks))
        if name not in both:
            banks[root] = region.banks ^ (BOTH if side else 0)
    words = max([floor, *(region.end for region in tensors.values())])
    return Placement(tensors=tensors, pads=pads, words=max(1, words))


@kept
def place_chained(program: SizedNetwork, rows: int, folded: Fold | None) -> Placement:
    """`place` with all `chains`; folded: how the image is stored."""
    stored = program if folded is None else folded_sizes(program, folded)
    padded = folded.layer if folded is not None and folded.is_padded else None
    return place(stored, chains(stored), rows, padded)


def _sides(program: SizedNetwork, chained: Mapping[str, str], rows: int) -> tuple[Apart, set[str]]:
    """Which tensors are in different banks, and those in both: the smaller one of a layer's two
    where they could not be apart."""
    apart = banks_of(program, chained)
    assert apart is not None, "rtl.timing.chaining chains only what can be placed"
    single = single_banked(program, chained)
    both: set[str] = set()
    for pair in read_together(program):
        if both & {*pair} or apart.separate(*pair):
            continue
        free = [name for name in pair if name not in single]
        both.add(min(free, key=lambda name: map_words(program, name, rows)))
    return apart, both
