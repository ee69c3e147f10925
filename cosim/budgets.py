"""Bit budgets side by side: programs x micro-architectures x characterized libraries, as one table.

Energy of the lane array by its gates (`gate_estimate`), of the on-chip memories by a technology
table, both of whole images; what either leaves out is said on the page. A program runs on the array
that the characterization was made for, so all rows of a library have the same widths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..rtl.arch import Arch, Micro
from ..rtl.fit import check_codebooks
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.program import Program
from .characterization_file import Fit
from .estimate import estimate, measure
from .gate_estimate import array_estimate, fitting
from .technology import Band, Technology


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A program with what it gets right."""

    name: str
    program: Program
    top1: float
    """Percent of the test images, by the integer program."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One program on one array in one library, one image."""

    program: str
    top1: float
    weight_bits: float
    library: str
    micro: str
    cycles: int
    array_pj: Band
    memory_pj: Band
    area_um2: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "program": self.program,
            "top1": self.top1,
            "weight_bits": self.weight_bits,
            "library": self.library,
            "micro": self.micro,
            "cycles": self.cycles,
            "array_pj": self.array_pj.as_dict(),
            "memory_pj": self.memory_pj.as_dict(),
            "area_um2": self.area_um2,
        }


def rows_of(
    candidate: Candidate,
    libraries: Mapping[str, Mapping[str, Fit]],
    technology: Technology,
    images: IntArray,
    *,
    rows: int,
    cols: int,
) -> list[Row]:
    """Rows of every library and micro-architecture that the program can use.

    images: (N, C, H, W) codes whose operands and activity are counted.
    """
    program = candidate.program
    activity = measure(program, images)
    found = []
    for library, fits in libraries.items():
        for micro in fits:
            if not usable(program, micro):
                continue
            arch = Arch.for_program(program, rows=rows, cols=cols, micro=micro)
            wide, fit = fitting(arch, fits)
            gates = array_estimate(program, wide, fit, images)
            events = estimate(program, arch, technology, activity=activity)
            found.append(
                Row(
                    program=candidate.name,
                    top1=candidate.top1,
                    weight_bits=program.average_weight_bits,
                    library=library,
                    micro=micro,
                    cycles=events.cycles,
                    array_pj=gates.energy_pj,
                    memory_pj=events.energy.split["memory"],
                    area_um2=gates.area_um2,
                )
            )
    return found


def usable(program: Program, micro: str) -> bool:
    """Whether the program's codebooks suit the micro-architecture."""
    if micro != Micro.SHIFT_ADD:
        return True
    try:
        check_codebooks(program)
    except InputError:
        return False
    return True
