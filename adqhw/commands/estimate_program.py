"""`adqhw estimate PROGRAM.safetensors`: events, energies and, with --gates, gates of a program."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import emit
from ..flows.arrays import choose_arch
from ..flows.images import bundled, read_images
from ..spec.errors import InputError
from ..spec.program import Program
from ..spec.program_file import load
from .estimate_gates import gate_warnings, gates_of, show_gates

if TYPE_CHECKING:
    from ..cost.estimate.estimate import Estimate
    from ..spec.formats import IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The command line; None: not given."""

    path: Path
    arch: Path | None
    rows: int | None
    cols: int | None
    micro: str | None
    tech: str
    data: Path | None
    input_file: Path | None
    images: int | None
    gates: list[Path]
    bandwidth: float | None
    weights_from_dram: bool
    batch: int


def run(request: Request, *, as_json: bool) -> None:
    from ..cost.estimate.buildable import area_warnings
    from ..cost.estimate.estimate import estimate, measure, uniform_baseline
    from ..cost.estimate.model import timings_of
    from ..cost.events.traffic import Options
    from ..cost.technology import technology
    from .estimate import show_warnings

    start = time.perf_counter()
    options = Options(weights_from_dram=request.weights_from_dram, batch=request.batch)
    table = technology.load(request.tech)
    loaded = load(request.path)
    array = choose_arch(loaded, request.arch, request.rows, request.cols, request.micro)
    images = images_or_none(loaded, request)
    timings = timings_of(array, loaded)
    by_gates = gates_of(loaded, array, request.gates, images, timings) if request.gates else None
    activity = measure(loaded, images)
    result = estimate(loaded, array, table, activity=activity, options=options, timings=timings)
    against = to_uniform(result, uniform_baseline(result, loaded, activity=activity))
    warnings = area_warnings(result) + (gate_warnings(*by_gates) if by_gates else [])
    gates = {"gates": by_gates[0].to_dict()} if by_gates else {}
    behind = {"output_stage": by_gates[1].to_dict()} if by_gates and by_gates[1] else {}
    subject = {"program": str(request.path), "digest": loaded.digest}
    if as_json:
        record = costs_record(result, against, request.bandwidth, warnings)
        seconds = time.perf_counter() - start
        emit({**subject, **record, **gates, **behind, "seconds": seconds})
        return
    show_costs(request.path, result, against, request.bandwidth)
    if by_gates is not None:
        show_gates(*by_gates)
    show_warnings(warnings)


def costs_record(
    result: "Estimate", against: dict[str, Any], bandwidth: float | None, warnings: list[str]
) -> dict[str, Any]:
    """The fields common to programs and topologies, for JSON."""
    from .estimate import roof_record

    return {
        **result.to_dict(),
        "to_uniform": {k: v.as_dict() if v else None for k, v in against.items()},
        **roof_record(result, bandwidth),
        "warnings": warnings,
    }


def show_costs(
    path: Path, result: "Estimate", against: dict[str, Any], bandwidth: float | None
) -> None:
    """The same for people, without the warnings, which come last."""
    from .estimate import show_estimate, show_roof

    show_estimate(path, result, against)
    show_roof(result, bandwidth)


def to_uniform(result: "Estimate", baseline: "Estimate") -> dict[str, Any]:
    """Energy as a multiple of the baseline's, total and by part."""
    from ..cost.estimate.energy import ratio
    from ..cost.events.events import SPLITS

    splits = {"total": SPLITS} | {name: (name,) for name in SPLITS}
    return {name: ratio(result.energy, baseline.energy, part) for name, part in splits.items()}


def images_or_none(program: Program, request: Request) -> "IntArray | None":
    """Images to measure on: those given, the bundled digits of a digits program, or none."""
    from .estimate import DEFAULT_IMAGES

    count = DEFAULT_IMAGES if request.images is None else request.images
    if count < 1:
        raise InputError(f"Number of images must be at least 1, not {count}")
    if request.data is None and request.input_file is None and not bundled(program):
        if request.images is not None:
            raise InputError(
                "--images must go with --data or --input: there are no images to take them from"
            )
        return None
    return read_images(
        program, input_file=request.input_file, data=request.data, limit=count
    ).images
