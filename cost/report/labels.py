"""Labels of points in a picture: each beside its point, none on another, none outside the axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...spec.host.pictures import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

MARKER = 4.5
"""Half the side of the square around a point that no label covers, in points."""
SEPARATORS = "_-./ "
DISTANCES = (5.0, 14.0, 26.0, 40.0)
"""Points between a marker and its label; a line leads to a distant one."""
DIRECTIONS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """`text` beside the data point (x, y)."""

    x: float
    y: float
    text: str


def short_names(names: Sequence[str], limit: int = 24) -> Mapping[str, str]:
    """Names without their common prefix, as long as they still differ."""
    whole = list(dict.fromkeys(names))
    common = _common_start(whole)
    short = {name: shown(name[common:], limit) for name in whole}
    if len(set(short.values())) == len(whole) and all(short.values()):
        return short
    return {name: f"{i} {shown(name, limit)}" for i, name in enumerate(whole, start=1)}


def place(axis: "Axes", labels: Sequence[Label], marks: npt.ArrayLike, size: float = 8) -> int:
    """Write the labels in order where there is room; return how many had none.

    marks: (N, 2) data points that no label covers. The axes keep their place afterwards.
    """
    figure = axis.get_figure(root=True)
    assert figure is not None  # an axis is made by its figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    pixels = figure.dpi / 72
    spots = axis.transData.transform(np.asarray(marks, dtype=np.float64).reshape(-1, 2))
    taken = [_square(spot, MARKER * pixels) for spot in spots]
    frame = axis.get_window_extent()
    left_out = 0
    for label in labels:
        box = _write(axis, label, taken, frame, size)
        if box is None:
            left_out += 1
        else:
            taken.append(box)
    return left_out


def _write(
    axis: "Axes", label: Label, taken: Sequence["Bbox"], frame: "Bbox", size: float
) -> "Bbox | None":
    """The box of the label that was written, None where every place is taken."""
    note = axis.annotate(
        label.text, (label.x, label.y), xytext=(0, 0), textcoords="offset points", fontsize=size,
        arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "#888888", "shrinkA": 0, "shrinkB": 3},
    )  # fmt: skip
    assert note.arrow_patch is not None
    for distance in DISTANCES:
        note.arrow_patch.set_visible(distance > DISTANCES[0])
        for right, up in DIRECTIONS:
            note.set_horizontalalignment(("center", "left", "right")[right])
            note.set_verticalalignment(("center", "bottom", "top")[up])
            note.xyann = (right * distance, up * distance)
            box = _text_box(note)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside &= frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                return box
    note.remove()
    return None


def _text_box(note: Any) -> "Bbox":
    """Pixels of the text alone, without its line."""
    from matplotlib.text import Text

    note.update_positions(note.get_figure(root=True).canvas.get_renderer())
    return Text.get_window_extent(note)


def _square(spot: npt.NDArray[np.float64], half: float) -> "Bbox":
    from matplotlib.transforms import Bbox

    return Bbox([spot - half, spot + half])


def _common_start(names: Sequence[str]) -> int:
    """Length of the common beginning that ends in a separator."""
    if len(names) < 2:
        return 0
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
                min(len(first), len(last)))  # fmt: skip
    return max((first.rfind(sign, 0, same) for sign in SEPARATORS), default=-1) + 1
