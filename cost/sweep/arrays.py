"""Arrays of a sweep: sizes, how weights are held, micro-architectures and their multipliers."""

from typing import NamedTuple

from ...rtl.arch.arch import Arch
from ...rtl.arch.registry import BASELINE, checked
from ...rtl.program.fit import narrowest_lanes
from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.program import Program
from ..events.memories import with_storage

WIDTH_MARK = ":"
"""Between a micro-architecture and the bits of its multipliers, as in `uniform:4`."""


class Lanes(NamedTuple):
    """Lanes of an array and, above `hold` 1, how it holds weights (`Arch`)."""

    rows: int
    cols: int
    hold: int = 1
    fill: int = 1
    out_lanes: int = 1

    @property
    def key(self) -> tuple[int, ...]:
        """What a stored point depends on: (rows, cols) where no weights are held."""
        return tuple(self) if self.hold > 1 else self[:2]

    def check(self) -> None:
        """Refuse by name what no program changes."""
        Arch(**self._asdict())


def multiplier_of(micro: str) -> tuple[str, int | None]:
    """The micro-architecture of `uniform` or `uniform:4`, and the bits of its multipliers."""
    name, mark, width = micro.partition(WIDTH_MARK)
    if not mark:
        return checked(micro), None
    if name != BASELINE or not (width.isascii() and width.isdigit() and len(width) <= 2):
        raise InputError(
            f"Micro-architecture must be a name, or {BASELINE}{WIDTH_MARK}BITS for multipliers "
            f"of so many bits, not {shown(micro)}"
        )
    return name, int(width)


def arch_of(program: Program, lanes: Lanes, micro: str) -> Arch:
    """The narrowest array on which the program runs; with its memories where it holds weights."""
    name, width = multiplier_of(micro)
    arch = narrowest_lanes(program, **lanes._asdict(), micro=name, multiply_width=width)
    return with_storage(program, arch)


def micro_label(arch: Arch) -> str:
    """`uniform:4` of an array whose multipliers are narrower than its levels."""
    width = arch.multiply_width
    return arch.micro if width is None else f"{arch.micro}{WIDTH_MARK}{width}"


def lanes_label(arch: Arch) -> str:
    """`16x16`, or `16x16 h16 f8 o4` of one that holds weights (hold, fill, output lanes)."""
    size = f"{arch.rows}x{arch.cols}"
    return f"{size} h{arch.hold} f{arch.fill} o{arch.out_lanes}" if arch.holds else size
