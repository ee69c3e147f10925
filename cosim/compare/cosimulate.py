"""Co-simulation: real layers through the emitted Verilog, compared code for code with golden."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.networks.demands import check_program
from ...rtl.timing.cycles import LayerCycles, layer_cycles
from ...spec import golden
from ...spec.engines import Engine, check_images
from ...spec.errors import InputError
from ...spec.formats import IntArray
from ...spec.program import INPUT, Program
from ..layer.harness import Capacity, Recording
from ..layer.runner import build, run
from ..layer.streams import LayerStream, layer_stream
from ..simulators.toolchain import find_simulator
from ..simulators.workshop import scratch, workshop
from .reproducer import Failure, write_reproducer

FAILURES = Path("runs/failures")
Tensors = dict[str, npt.NDArray[Any]]
Progress = Callable[[str, int, int], None]
"""Called with the name of the work, steps done and steps in total."""


@dataclass(frozen=True, kw_only=True)
class LayerCosim:
    """One layer: codes compared and differing over all images, cycles of one image."""

    name: str
    kind: str
    compared: int
    mismatches: int
    cycles_rtl: int
    cycles_model: int
    stall_cycles_rtl: int
    stall_cycles_model: int
    failure: Failure | None = None
    """The first differing code, when there is one."""

    @property
    def passed(self) -> bool:
        """Every code equal, and the measured time that of the model."""
        return (
            self.mismatches == 0
            and self.cycles_rtl == self.cycles_model
            and self.stall_cycles_rtl == self.stall_cycles_model
        )

    def to_dict(self) -> dict[str, Any]:
        values = {
            "name": self.name,
            "kind": self.kind,
            "compared": self.compared,
            "mismatches": self.mismatches,
            "cycles_rtl": self.cycles_rtl,
            "cycles_model": self.cycles_model,
            "stall_cycles": self.stall_cycles_rtl,
        }
        return values | ({"failure": self.failure.to_dict()} if self.failure else {})


@dataclass(frozen=True, kw_only=True)
class CosimReport:
    """Every co-simulated layer, and the layers left out."""

    layers: list[LayerCosim]
    skipped: list[str]
    """Layers that the engine has no operation for: max pooling, codes that are only moved."""
    images: int
    arch: Arch
    simulator: str
    build_seconds: float
    simulation_seconds: float

    @property
    def compared(self) -> int:
        return sum(layer.compared for layer in self.layers)

    @property
    def mismatches(self) -> int:
        return sum(layer.mismatches for layer in self.layers)

    @property
    def passed(self) -> bool:
        return all(layer.passed for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `adqhw cosim --json`."""
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "skipped": self.skipped,
            "images": self.images,
            "compared": self.compared,
            "mismatches": self.mismatches,
            "arch": self.arch.to_dict(),
            "simulator": self.simulator,
            "build_seconds": round(self.build_seconds, 3),
            "simulation_seconds": round(self.simulation_seconds, 3),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """One layer for one image."""

    layer: str
    image: int
    stream: LayerStream = field(repr=False)
    model: LayerCycles


def cosimulate(
    program: Program,
    images: IntArray,
    arch: Arch,
    simulator: str = "verilator",
    layers: Sequence[str] | None = None,
    *,
    build_dir: str | Path = "runs/build",
    failures: str | Path = FAILURES,
    reference: Engine = golden.run,
    progress: Progress = lambda what, done, total: None,
) -> CosimReport:
    """Run `layers` (default: all that the engine can) of `program` in the RTL for every image.

    Each layer reads the codes that `reference` computed for its inputs, so that a fault shows in
    its own layer. A differing code is recorded in a folder below `failures` that reruns it.
    """
    tool = find_simulator(simulator)
    if arch.holds:
        raise InputError(f"Arch hold must be 1 to run single layers, not {arch.hold}")
    check_program(arch, program)
    names, skipped = _chosen(program, layers)
    tensors = reference_tensors(program, images, reference, progress)
    jobs = _jobs(arch, program, names, tensors)
    progress("build", 0, 1)
    compiled = build(arch, tool, Capacity.holding([job.stream for job in jobs]), Path(build_dir))

    start = time.perf_counter()
    progress("simulate", 0, len(jobs))
    with scratch(workshop(build_dir), "simulation") as folder:
        recordings = run(
            compiled,
            [job.stream for job in jobs],
            [4 * job.model.cycles + 1000 for job in jobs],
            folder,
            finished=lambda number: progress("simulate", number + 1, len(jobs)),
        )
    seconds = time.perf_counter() - start
    case = _Case(program=program, tensors=tensors, arch=arch, simulator=simulator)
    return CosimReport(
        layers=[_compare(case, name, jobs, recordings, Path(failures)) for name in names],
        skipped=skipped,
        images=len(tensors[INPUT]),
        arch=arch,
        simulator=f"{tool.name} {tool.version}",
        build_seconds=compiled.seconds,
        simulation_seconds=seconds,
    )


def reference_tensors(
    program: Program, images: IntArray, reference: Engine, progress: Progress
) -> Tensors:
    """Codes of every tensor, the images among them, by the engine that is compared with."""
    batch = check_images(program, images)
    if not len(batch):
        raise InputError("Co-simulation must have at least one image, not 0")
    progress("golden", 0, 1)
    return {INPUT: batch, **reference(program, batch, keep="all").tensors}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    program: Program
    tensors: Tensors
    arch: Arch
    simulator: str


def _chosen(program: Program, layers: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Layers to run and layers left out; a layer requested by name is never left out silently."""
    if layers is not None:
        if not layers:
            raise InputError("Co-simulation must have at least one layer, not none")
        return [program.layer(name).name for name in dict.fromkeys(layers)], []
    skipped = [layer.name for layer in program.layers if layer.output is None]
    names = [layer.name for layer in program.layers if layer.output is not None]
    if not names:
        raise InputError("Program must have a layer that the engine runs, not only max pooling")
    return names, skipped


def _jobs(arch: Arch, program: Program, names: list[str], tensors: Tensors) -> list[_Job]:
    return [
        _Job(
            layer=name,
            image=image,
            stream=layer_stream(arch, program, name, tensors, image),
            model=layer_cycles(arch, program, name),
        )
        for name in names
        for image in range(len(tensors[INPUT]))
    ]


def _compare(
    case: _Case, name: str, jobs: list[_Job], recordings: list[Recording], failures: Path
) -> LayerCosim:
    """All images of one layer; the first differing code becomes a reproducer."""
    mine = [(j, r) for j, r in zip(jobs, recordings, strict=True) if j.layer == name]
    shape = case.program.tensor_shape(name)
    failure, mismatches = None, 0
    for job, recording in mine:
        expected = np.asarray(case.tensors[name][job.image], dtype=np.int64)
        actual = job.stream.collect(recording.codes, shape)
        wrong = np.argwhere(actual != expected)
        mismatches += len(wrong)
        if len(wrong) and failure is None:
            index = tuple(int(i) for i in wrong[0])
            position = np.flatnonzero(job.stream.positions == np.ravel_multi_index(index, shape))[0]
            failure = Failure(
                layer=name,
                image=job.image,
                index=index,
                expected=int(expected[index]),
                actual=int(actual[index]),
                cycle=int(recording.at_cycle[position]),
                simulator=case.simulator,
            )
            failure = write_reproducer(
                failures, failure, case.program, case.arch, case.tensors, actual
            )
    model = mine[0][0].model
    return LayerCosim(
        name=name,
        kind=model.kind,
        compared=len(mine) * int(np.prod(shape)),
        mismatches=mismatches,
        cycles_rtl=max(recording.cycles for _, recording in mine),
        cycles_model=model.cycles,
        stall_cycles_rtl=max(recording.stall_cycles for _, recording in mine),
        stall_cycles_model=model.stall_cycles,
        failure=failure,
    )
