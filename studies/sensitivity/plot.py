"""The picture of `adqhw bench tornado`: a bar per assumption, the largest swing on top."""

from collections.abc import Sequence

import numpy as np

from ...spec.host.pictures import canvas, png_of, shown
from .assumptions import Tornado

MOST_BARS = 20
"""Assumptions of a panel; all are in the page's table."""


def tornado_png(tornados: Sequence[Tornado]) -> bytes:
    """PNG; a panel for each of `tornados`. Line: the ratio as assumed; dashed: 1."""
    most = max(min(MOST_BARS, len(one.assumptions)) for one in tornados)
    columns = min(2, len(tornados))
    rows = -(-len(tornados) // columns)
    with canvas(7.0 * columns, rows * (1.0 + 0.24 * most)) as figure:
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axis in axes[len(tornados) :]:
            axis.set_visible(False)
        for axis, one in zip(axes, tornados, strict=False):
            bars = one.assumptions[:MOST_BARS]
            left = [bar.cases[0].ratio for bar in bars]
            places = range(len(bars))
            colors = ["tab:orange" if bar.turns else "tab:blue" for bar in bars]
            axis.barh(places, [bar.swing for bar in bars], left=left, color=colors, height=0.7)
            axis.set_yticks(list(places), [shown(bar.name) for bar in bars], fontsize=8)
            axis.invert_yaxis()
            axis.use_sticky_edges = False
            axis.margins(x=0.04)
            axis.axvline(one.ratio, color="black", linewidth=1)
            axis.axvline(1.0, color="tab:red", linestyle="--", linewidth=1)
            axis.set_title(f"{one.base}: {one.ratio:.2f}", fontsize=8, loc="left", wrap=True)
            axis.set_xlabel("energy of learned codebooks / plain bits", fontsize=8)
            axis.grid(axis="x", alpha=0.3)
        figure.suptitle(
            f"{shown(tornados[0].learned)} against {shown(tornados[0].plain)}; orange: turns the "
            "verdict, dashed: 1",
            fontsize=8, x=0.01, ha="left",
        )  # fmt: skip
        return png_of(figure)
