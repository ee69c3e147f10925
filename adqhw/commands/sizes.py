"""Options of the commands that take the narrowest array of a size."""

from typing import Annotated

import typer

from ..flows.arrays import COLS_HELP, MICRO_HELP, ROWS_HELP

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
