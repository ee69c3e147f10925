"""Where the bits of ports are on the edge of a core: at even distances where the cells face it.

Cells are placed once without ports. The bits follow the angles at which their cells are seen from
the middle, so that no order of names decides about wires. In a full core they take the whole edge;
cells that fill little of their core are packed in its middle, and the bits are on that part of
every side which lies opposite: in corners that no cell is near to they would only lengthen wires.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """The edge of a core, lengths in places of the grid."""

    width: int
    height: int
    faced: float
    """Share of every side, in its middle, that lies opposite to cells."""

    def places(self, count: int) -> npt.NDArray[np.int64]:
        """(count, 2) at even distances, against the clock from the middle of the right side."""
        around = 2 * (self.width + self.height) * self.faced
        return np.array(
            [self._at((step + 0.5) / count * around) for step in range(count)], np.int64
        ).reshape(-1, 2)

    def _at(self, distance: float) -> tuple[int, int]:
        width, height = self.width * self.faced, self.height * self.faced
        before, below = (self.width - width) / 2, (self.height - height) / 2
        at = (distance + height / 2) % (2 * (width + height))
        if at < height:  # the right side, upwards
            return self.width, round(below + at)
        at -= height
        if at < width:
            return self.width - round(before + at), self.height
        at -= width
        if at < height:
            return 0, self.height - round(below + at)
        return round(before + at - height), 0


def port_places(edge: Edge, middle: Floats) -> npt.NDArray[np.int64]:
    """(ports, 2) places; middle (ports, 2): of the cells on the net of each, as places."""
    seen = middle - np.array([edge.width, edge.height]) / 2
    angle = np.arctan2(seen[:, 1], seen[:, 0]) % (2 * math.pi)
    places = np.zeros((len(middle), 2), np.int64)
    places[np.argsort(angle, kind="stable")] = edge.places(len(middle))
    return places
