"""The lane array that a command works on: from a TOML file, or the narrowest of a given size."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..rtl.arch import registry
from ..spec.errors import InputError
from ..spec.host.text import shown
from ..spec.program import Program

if TYPE_CHECKING:
    from ..rtl.arch.arch import Arch

ARCH_HELP = "Array as a TOML file, instead of --rows --cols --micro."
ROWS_HELP = "Input channels per beat (16)."
COLS_HELP = "Output channels per beat (16)."
MICRO_HELP = registry.listed()

DEFAULT_ARRAY = 16


def array_size(text: str, what: str = "Array") -> tuple[int, int]:
    """(rows, cols) of `16x16`; no number of a thousand digits is converted."""
    parts = text.strip().split("x")
    good = len(parts) == 2 and all(x.isascii() and x.isdigit() and len(x) <= 9 for x in parts)
    if not good or not all(map(int, parts)):
        raise InputError(f"{what} must be ROWSxCOLS, such as 16x16, not {shown(text)}")
    return int(parts[0]), int(parts[1])


def choose_arch(
    program: Program, file: Path | None, rows: int | None, cols: int | None, micro: str | None
) -> "Arch":
    """The array of `file`, or the narrowest of the given size on which the program runs."""
    from ..rtl.arch.arch import Arch
    from ..rtl.program.fit import narrowest

    if file is None:
        return narrowest(
            program,
            rows=DEFAULT_ARRAY if rows is None else rows,
            cols=DEFAULT_ARRAY if cols is None else cols,
            micro=registry.DEFAULT if micro is None else micro,
        )
    if (rows, cols, micro) != (None, None, None):
        raise InputError("Array must come from --arch or from --rows, --cols and --micro, not both")
    return Arch.from_toml(file)
