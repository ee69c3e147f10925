"""The demo's report: the explorer of the programs that it trained, beside their co-simulation."""

import math
from collections.abc import Mapping
from pathlib import Path

from ..cosim.compare.cosimulate import CosimReport
from ..cost.explorer.choices import Choices
from ..cost.explorer.data import Subject, cosimulation, page_data
from ..cost.explorer.page import write_page
from ..cost.sweep.arrays import Lanes
from ..cost.sweep.designs import Workload
from ..cost.technology import technology
from ..cost.technology.dram_types import available_drams, load_dram
from ..cost.technology.memory_table import available_memories, load_memories
from ..rtl.arch.arch import Arch
from ..spec.program import Program

HOLD = 16
"""Pixels for which the second array of the page holds its weights."""


def write_explorer(
    path: Path,
    trained: Mapping[Path, tuple[Program, float]],
    table: str,
    *,
    shipped: tuple[str, Arch, CosimReport],
    title: str,
) -> None:
    """Write the page. trained: program and its top-1 in percent, by its file.

    shipped: name of the program whose bits are set by hand, the array that it was co-simulated on,
    and what came of it.
    """
    name, arch, report = shipped
    subjects = [
        Subject(
            workload=Workload(
                name=file.stem,
                program=program,
                accuracy=top1,
                accuracy_source="integer program on the test images",
            ),
            path=str(file),
            told_bits=True,
        )
        for file, (program, top1) in trained.items()
    ]
    held = Lanes(arch.rows, arch.cols, HOLD, math.gcd(arch.cols, HOLD // 2), 1)
    choices = Choices(
        technologies=(technology.priced(table),),
        arrays=(Lanes(arch.rows, arch.cols), held),
        drams=tuple(map(load_dram, available_drams())),
        memories=tuple(map(load_memories, available_memories())),
    )
    data = page_data(
        subjects,
        choices,
        base=[subject.workload.name for subject in subjects].index(name),
        technologies=(table,),
        cosimulated=[cosimulation(name, arch, report.to_dict())],
    )
    write_page(path, data, title=title)
