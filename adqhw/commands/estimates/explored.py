"""`adqhw explore --gates`: what `estimate --gates` says of every trained program on the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...flows.images import read_images
from ...spec.errors import InputError
from .gates import GATE_IMAGES, ByGates, gate_warnings, gates_of, library_of, operands_of

if TYPE_CHECKING:
    from ...cost.explorer.choices import Choices
    from ...cost.explorer.data import Subject
    from ...cost.sweep.arrays import Lanes
    from ...cost.technology.technology import Technology
    from ...gates.model.library import GateLibrary
    from ...gates.model.operands import Operands


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Figures by gates, and why designs have none."""

    records: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    """Each once."""


def gate_figures(
    subjects: "Sequence[Subject]",
    choices: "Choices",
    paths: Sequence[Path],
    sources: tuple[Path | None, Path | None],
    advance: Callable[[int], None] = lambda count: None,
) -> Found:
    """Every trained program on every array that is characterized, library by library.

    sources: folder of a data set, or file, of the images whose first ones are counted. `advance(1)`
    with each program.
    Errors: `InputError` where no design of the page is characterized.
    """
    libraries, found = _by_library(paths), Found()
    read = {name: library_of(files) for name, files in libraries.items()}
    for number, subject in enumerate(subjects):
        program = subject.workload.program
        data, file = sources
        images = read_images(program, data=data, input_file=file, limit=GATE_IMAGES).images
        operands = operands_of(program, images)
        for micro, lanes in choices.configs:
            where = {"program": number, "micro": micro, "array": choices.arrays.index(lanes)}
            for library, files in libraries.items():
                try:
                    priced = _technology(read[library], lanes, choices.technologies)
                    made = _gates(operands, micro, lanes, read[library], priced)
                except InputError as error:
                    if (reason := f"{library}: {error}") not in found.reasons:
                        found.reasons.append(reason)
                    continue
                number_of = choices.technologies.index(priced) if lanes.hold > 1 else None
                where |= {"library": library, "technology": number_of}
                found.records.append(where | _record(made, files))
        advance(1)
    if not found.records:
        raise InputError(f"Gates must be of a design on the page, not of none: {found.reasons[0]}")
    return found


def _by_library(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Files of `characterize` by their library."""
    from ...gates.model import characterization_file
    from ...gates.model.library import read_all

    read_all(paths)  # refuses what `estimate` refuses
    found: dict[str, list[Path]] = {}
    for path in paths:
        for name in {fit.library for fit in characterization_file.load(path).values()}:
            found.setdefault(name, []).append(path)
    return found


def _technology(
    library: "GateLibrary", lanes: "Lanes", technologies: "Sequence[Technology]"
) -> "Technology":
    """The table that `estimate --gates` takes; arrays that hold weights need one of the library's
    node."""
    return library.of_node(technologies) if lanes.hold > 1 else technologies[0]


def _gates(
    operands: "Operands", micro: str, lanes: "Lanes", library: "GateLibrary",
    technology: "Technology",
) -> ByGates:  # fmt: skip
    from ...cost.estimate.model import timings_of
    from ...cost.sweep.arrays import arch_of

    arch = arch_of(operands.program, lanes, micro)
    timings = timings_of(arch, operands.program)
    return gates_of(operands, arch, library, timings, technology)


def _record(made: ByGates, files: Sequence[Path]) -> dict[str, Any]:
    """What the page shows; keys as in `estimate --gates --json`."""
    record: dict[str, Any] = {
        "files": [str(path) for path in files],
        "images": GATE_IMAGES,
        "gates": made.lanes.to_dict(),
        "output_stage": None if made.behind is None else made.behind.to_dict(),
        "paths": [{"name": path.name, "ns": path.ns} for path in made.paths],
        "placed": made.placed,
        "warnings": gate_warnings(made),
    }
    return record
