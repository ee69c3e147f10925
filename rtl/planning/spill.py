"""Spill: which tensors are kept in external memory, and how many of their words are on chip."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ...spec.layers import Layer, MacLayer, PoolLayer, ThresholdLayer
from ...spec.program import INPUT, SizedNetwork
from ..networks.regions import BOTH, Placement, lifetimes, map_words

Placing = Callable[[Mapping[str, int]], Placement]
HALVES = 2
"""A part of a map is moved while another one is read or written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spilled:
    """A placement in which the regions of `outside` hold some lines of their tensors."""

    placement: Placement
    outside: frozenset[str]


def spill(
    program: SizedNetwork, chained: Mapping[str, str], rows: int, most: int, placed: Placing
) -> Spilled:
    """A placement in at most `most` words of every bank, with as few tensors outside as a greedy
    choice gives: the largest first, of equal ones the one that is needed longest; their buffers as
    large as fits. placed: a placement with these numbers of words of some tensors.

    Where no choice is enough the placement is larger than `most`.
    """
    outside: list[str] = []
    lives = lifetimes(program, chained)

    def cost(name: str) -> tuple[int, int]:
        first, last = lives[name]
        return map_words(program, name, rows), last - first

    placement = placed(_buffers(program, rows, outside, 1))
    while placement.words > most:
        victims = [name for name in _movable(program, placement) if name not in outside]
        if not victims:
            break
        outside.append(max(victims, key=cost))
        placement = placed(_buffers(program, rows, outside, 1))
    lines = 1
    while outside and placement.words <= most:
        larger = placed(_buffers(program, rows, outside, lines + 1))
        if larger.words > most or lines > max(program.tensor_shape(n)[1] for n in outside):
            break
        placement, lines = larger, lines + 1
    return Spilled(placement=placement, outside=frozenset(outside))


def _buffers(program: SizedNetwork, rows: int, outside: list[str], lines: int) -> dict[str, int]:
    """Words of buffers for so many lines of every layer's output."""
    return {name: _buffer(program, name, rows, lines) for name in outside}


def _buffer(program: SizedNetwork, name: str, rows: int, lines: int) -> int:
    """Words in which `lines` lines of outputs can be made of a tensor, or of it, twice."""
    height = program.tensor_shape(name)[1]
    needs = [lines, *(_reads(layer, name, lines) for layer in program.layers)]
    line = map_words(program, name, rows) // height
    return HALVES * line * min(height, max(needs))


def _reads(layer: Layer, name: str, lines: int) -> int:
    """Lines of a tensor that a layer reads for so many of its own."""
    needs = [0]
    if layer.skip is not None and layer.skip.tensor == name:
        needs.append((lines - 1) * layer.skip.stride + 1)
    if name in layer.reads[:1]:
        if isinstance(layer, MacLayer | PoolLayer):
            needs.append((lines - 1) * layer.stride[0] + layer.kernel[0])
        else:
            needs.append(lines)
    return max(needs)


def _movable(program: SizedNetwork, placement: Placement) -> Iterator[str]:
    """Tensors of which any lines can be read and written: all layers that use them go from line to
    line, and one bank holds them."""
    used: dict[str, list[Layer]] = {INPUT: []}
    for layer in program.layers:
        for name in {layer.name, *layer.reads}:
            used.setdefault(name, []).append(layer)
    for name, region in placement.tensors.items():
        by_lines = all(isinstance(x, MacLayer | PoolLayer | ThresholdLayer) for x in used[name])
        if by_lines and region.banks != BOTH and program.tensor_shape(name)[1] > 1:
            yield name
