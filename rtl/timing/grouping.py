"""Grouping: pixels that use a weight word one after the other, before the next word is read."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Grouping:
    """`pixels` in `groups`: the first `larger` have size + 1 pixels, the others `size`."""

    pixels: int
    groups: int
    size: int
    larger: int

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(pixels, number of groups) in their order, without empty ones."""
        parts = (self.size + 1, self.larger), (self.size, self.groups - self.larger)
        return [(size, count) for size, count in parts if count]


def grouping(pixels: int, hold: int) -> Grouping:
    """As few groups of at most `hold` pixels as there can be, as equal as can be.

    >>> grouping(49, 16).sizes
    [(13, 1), (12, 3)]
    """
    groups = -(-pixels // hold)
    return Grouping(pixels=pixels, groups=groups, size=pixels // groups, larger=pixels % groups)
