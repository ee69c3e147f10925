"""`adqhw estimate PROGRAM.safetensors`: events, energies and, with --gates, gates of a program."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...console import emit
from ...flows.arrays import choose_arch
from ...flows.images import bundled, read_images
from ...spec.errors import InputError
from ...spec.program import Program
from ...spec.program_file import load
from .gates import gate_warnings, gates_of, gates_record, library_of, operands_of, show_gates
from .output import Request, costs_record, show_costs, show_warnings, to_uniform

if TYPE_CHECKING:
    from ...spec.formats import IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Where images come from, and how many."""

    data: Path | None
    input_file: Path | None
    images: int
    asked: bool
    """The number was given on the command line."""


def run(request: Request, arch_file: Path | None, sources: Sources, gates: list[Path]) -> None:
    from ...cost.estimate.baseline import uniform_baseline
    from ...cost.estimate.buildable import area_warnings
    from ...cost.estimate.estimate import estimate, measure
    from ...cost.estimate.model import timings_of
    from ...cost.estimate.operation import operation
    from ...cost.events.traffic import Options

    start = time.perf_counter()
    options = Options(weights_from_dram=request.weights_from_dram, batch=request.batch)
    table = request.technology
    loaded = load(request.path)
    array = choose_arch(loaded, arch_file, request.size)
    images = images_or_none(loaded, sources)
    memory = request.dram_model(table, array)
    timings = timings_of(array, loaded, memory)
    by_gates = None
    if gates:
        operands = operands_of(loaded, images)
        by_gates = gates_of(operands, array, library_of(gates), timings, table)
    activity = measure(loaded, images)
    result = estimate(loaded, array, table, activity=activity, options=options, timings=timings)
    against = to_uniform(result, uniform_baseline(result, loaded, activity=activity, memory=memory))
    paths = by_gates.paths if by_gates else ()
    at_clock = None if request.clock is None else operation(result, request.clock, paths)
    bandwidth = request.bits_per_cycle(result)
    warnings = area_warnings(result) + (gate_warnings(by_gates) if by_gates else [])
    if request.as_json:
        record = costs_record(result, against, bandwidth, warnings, at_clock)
        if by_gates is not None:
            record |= gates_record(by_gates, result)
        subject = {"program": str(request.path), "digest": loaded.digest}
        emit({**subject, **record, "seconds": time.perf_counter() - start})
        return
    show_costs(request.path, result, against, bandwidth, at_clock)
    if by_gates is not None:
        show_gates(by_gates, result)
    show_warnings(warnings)


def images_or_none(program: Program, sources: Sources) -> "IntArray | None":
    """Images to measure on: those given, the bundled digits of a digits program, or none."""
    if sources.images < 1:
        raise InputError(f"Number of images must be at least 1, not {sources.images}")
    if sources.data is None and sources.input_file is None and not bundled(program):
        if sources.asked:
            raise InputError(
                "--images must go with --data or --input: there are no images to take them from"
            )
        return None
    return read_images(
        program, input_file=sources.input_file, data=sources.data, limit=sources.images
    ).images
