"""The lane array that a command works on: from a TOML file, or the narrowest of a given size."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..rtl.arch import registry
from ..spec.errors import InputError
from ..spec.host.text import shown
from ..spec.program import Program

if TYPE_CHECKING:
    from ..rtl.arch.arch import Arch

ARCH_HELP = "Array as a TOML file, instead of its size (--rows, --cols, --micro ...)."
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ArraySize:
    """The narrowest array that a command may ask for; None: not given."""

    rows: int | None = None
    cols: int | None = None
    micro: str | None = None
    hold: int | None = None
    fill: int | None = None
    out_lanes: int | None = None
    multiply_width: int | None = None

    @property
    def options(self) -> dict[str, int | str | None]:
        """By the name of the option."""
        fields = dataclasses.asdict(self).items()
        return {f"--{name.replace('_', '-')}": value for name, value in fields}

    @property
    def values(self) -> dict[str, Any]:
        """Arguments of `rtl.program.fit.narrowest`, with what is not given as it is by default."""
        for name in ("--fill", "--out-lanes"):
            if self.hold is None and self.options[name] is not None:
                raise InputError(f"{name} must go with --hold")
        given = {k: v for k, v in dataclasses.asdict(self).items() if v is not None}
        return {"rows": DEFAULT_ARRAY, "cols": DEFAULT_ARRAY, **given}


def choose_arch(program: Program, file: Path | None, size: ArraySize) -> "Arch":
    """The array of `file`, or the narrowest of the given size on which the program runs."""
    from ..rtl.program.fit import narrowest

    return narrowest(program, **size.values) if file is None else arch_of(file, size)


def arch_of(file: Path, size: ArraySize) -> "Arch":
    """The array of `file`, beside which no size may be given."""
    from ..rtl.arch.arch import Arch

    given = [name for name, value in size.options.items() if value is not None]
    if given:
        raise InputError(f"Array must come from --arch or from its size, not also from {given[0]}")
    return Arch.from_toml(file)
