"""The driver in an emitted folder: a script for its host, and the files that it names."""

from dataclasses import dataclass

import numpy as np

from ...rtl.arch.arch import Arch
from ...rtl.bus.registers import errors_of
from ...rtl.networks.plans import Plan
from ...rtl.program.blob import program_blob
from ...rtl.program.image import Row
from ...rtl.timing.dram import DramModel
from ...rtl.verilog_text import PREFIX
from ...spec.formats import Int64Array, IntArray
from .driver import driver_texts, host_texts, streamed

SCRIPT = "driver.txt"
PROGRAM = "program.bin"
CONTENTS = "external.bin"
"""Files of the folder: what the host does, the blob that the driver loads, external memory."""
BASE = 0x40000000
"""Where external memory begins."""
_LATER = 5
"""Codes that a too long image has more."""
_SOON = 40
"""Cycles after START in which a run is stopped while its image arrives."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """What the host plays: images (N, C, H, W), their results in the order of m_axis (N, results),
    and the cycles of a run whose streams do not stall."""

    images: IntArray
    results: Int64Array
    cycles: int


def driver_files(
    arch: Arch, plan: Plan, rows: list[Row], played: Played, prefix: str = PREFIX
) -> dict[str, str | bytes]:
    """Driver, host, script and its data by file name, for arrays that hold weights."""
    files: dict[str, str | bytes] = {**driver_texts(arch, prefix), **host_texts(arch, prefix)}
    files[PROGRAM] = program_blob(arch, rows)
    if plan.outside is not None:
        files[CONTENTS] = plan.outside.contents
    for number, image in enumerate(played.images):
        files[_image(number)] = streamed(arch, plan, image)
        files[_results(number)] = played.results[number].astype("<i4").tobytes()
    files[SCRIPT] = "\n".join(_script(arch, plan, played)) + "\n"
    return files


def _image(number: int) -> str:
    return f"image{number}.bin"


def _results(number: int) -> str:
    return f"results{number}.bin"


def _script(arch: Arch, plan: Plan, played: Played) -> list[str]:
    """All images back to back; then what goes wrong, and after each of it an image that is right;
    then the program loaded once more."""
    codes = int(np.prod(played.images.shape[1:]))
    right = ["run", f"right {_results(0)} {played.cycles}"]
    image, lines = f"image {_image(0)}", _loading(plan)
    lines += [f"image {_image(number)}" for number in range(len(played.images))]
    for number in range(len(played.images)):
        lines += ["run", f"right {_results(number)} {played.cycles}"]
    if codes > 1:
        lines += [f"{image} {codes - 1}", "run", _wrong(arch, "IMAGE_SHORT"), image, *right]
    lines += [f"{image} {codes + _LATER}", "run", _wrong(arch, "IMAGE_LONG"), image, *right]
    for cycles in (_SOON, played.cycles // 2):
        lines += [image, f"stop {cycles}", image, *right]
    if any(entry.jobs for entry in plan.passes):
        lines += [f"fault {BASE}", image, "run", _wrong(arch, "MEMORY"), f"fault {2**64 - 1}"]
        lines += [image, *right]
    return [*lines, *_loading(plan), image, *right]


def _loading(plan: Plan) -> list[str]:
    """The program, and its external memory."""
    lines = [f"load {PROGRAM}"]
    if plan.outside is not None:
        model = DramModel()
        times = model.latency, model.beat_cycles, model.row_bytes, model.row_miss
        lines += ["model " + " ".join(map(str, times))]
        lines += [f"memory {CONTENTS} {BASE} {plan.outside.size}"]
    return lines


def _wrong(arch: Arch, error: str) -> str:
    return f"wrong {1 << list(errors_of(arch)).index(error)}"
