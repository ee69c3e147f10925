"""Options of the commands that take the narrowest array of a size, or many of them."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ..flows.arrays import COLS_HELP, MICRO_HELP, ROWS_HELP, array_size
from ..spec.errors import InputError
from ..spec.host.text import shown

if TYPE_CHECKING:
    from ..cost.sweep.arrays import Lanes

HOLD_HELP = (
    "Pixels that use a weight word before the next one is read (1); above 1 the array that holds "
    "weights."
)
FILL_HELP = "Cycles in which a weight word enters the lanes; divides --cols, at most --hold (1)."
OUT_LANES_HELP = "Sums that leave the array per cycle; divides --rows and --cols (1)."
MULTIPLY_WIDTH_HELP = (
    "Bits of a uniform lane's multiplier; wider weights take several cycles (those of the widest)."
)

Rows = Annotated[int | None, typer.Option(help=ROWS_HELP)]
Cols = Annotated[int | None, typer.Option(help=COLS_HELP)]
Micro = Annotated[str | None, typer.Option(help=MICRO_HELP)]
Hold = Annotated[int | None, typer.Option(help=HOLD_HELP)]
Fill = Annotated[int | None, typer.Option(help=FILL_HELP)]
OutLanes = Annotated[int | None, typer.Option(help=OUT_LANES_HELP)]
MultiplyWidth = Annotated[int | None, typer.Option(help=MULTIPLY_WIDTH_HELP)]


def swept_arrays(rows_cols: str, hold: str, fill: str, out_lanes: str) -> "Iterator[Lanes]":
    """Every size by every way to hold weights; where none are held there is one way."""
    from ..cost.sweep.arrays import Lanes

    holds, fills, lanes = (
        numbers(hold, "--hold"),
        numbers(fill, "--fill"),
        numbers(out_lanes, "--out-lanes"),
    )
    if holds == [1] and (fills, lanes) != ([1], [1]):
        raise InputError("--fill and --out-lanes must go with --hold")
    for (rows, cols), held in itertools.product(map(array_size, listed(rows_cols)), holds):
        if held == 1:
            yield Lanes(rows, cols)
        else:
            yield from (Lanes(rows, cols, held, *way) for way in itertools.product(fills, lanes))


def numbers(text: str, option: str) -> list[int]:
    """The whole numbers of a comma separated list."""
    items = listed(text)
    wrong = next((x for x in items if not (x.isascii() and x.isdigit() and len(x) <= 9)), None)
    if wrong is not None:
        raise InputError(f"{option} must be whole numbers, comma separated, not {shown(wrong)}")
    return [int(item) for item in items]


def listed(text: str) -> list[str]:
    """The items of a comma separated list, each once."""
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise InputError(f"List must be comma separated without empty items, not {shown(text)}")
    return list(dict.fromkeys(items))
