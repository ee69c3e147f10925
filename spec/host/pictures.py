"""Pictures: matplotlib's Agg, loaded on first use, drawing text literally.

A picture shows what tables hold, so one that cannot be drawn is a warning, not an error.
Names of files are drawn, not parsed: `$` starts no formula. The settings of a user's `matplotlibrc`
change nothing.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import InputError
from .caches import ensure_font_cache
from .text import printable, warn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
LONGEST_SIDE = 400.0
"""Inches; the Agg canvas ends at 2^16 pixels."""
LONGEST_NAME = 40
"""Signs of a name on an axis or in a legend: longer ones leave no room for the data."""

FAULTS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError,
    NotImplementedError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What drawing may raise on unforeseen data; a full disk is not among them."""


@contextmanager
def canvas(width: float, height: float) -> Iterator["Figure"]:
    """An empty figure of so many inches; everything up to `png_of` happens inside the block."""
    ensure_font_cache()
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "matplotlib must be installed for plots: pip install 'adqhw[cosim]'"
        ) from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams["text.parse_math"] = False
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # drawn as boxes
        figure = Figure(
            figsize=(min(width, LONGEST_SIDE), min(height, LONGEST_SIDE)),
            dpi=DPI,
            layout="constrained",
        )
        FigureCanvasAgg(figure)
        yield figure


def png_of(figure: "Figure") -> bytes:
    """The figure as PNG, without a date or a version in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def drawn(
    what: str, draw: Callable[[], bytes | None], tell: Callable[[str], None] = warn
) -> bytes | None:
    """What `draw` returns; None, and a warning that names the picture, where it fails."""
    try:
        return draw()
    except FAULTS as error:
        tell(f"no {what}: {type(error).__name__}: {error}")
        return None


def shown(name: str, limit: int = LONGEST_NAME) -> str:
    """`name` for a picture: visible signs only, the middle of a long one left out."""
    text = printable(name, max(len(name), 1))
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}…{text[len(text) - (limit - 1) // 2 :]}"
