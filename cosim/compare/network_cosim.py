"""Co-simulation of whole networks: one start, every layer's codes and cycles compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...rtl.arch.arch import Arch
from ...rtl.program.fit import check_storage
from ...rtl.program.run_cycles import run_cycles
from ...rtl.timing.dram import DramModel
from ...rtl.timing.network_cycles import TensorCycles
from ...spec import golden
from ...spec.engines import Engine
from ...spec.formats import IntArray
from ...spec.program import INPUT, Program
from ..emitted.emitted import Emitted
from ..network.network import Case, run_network
from ..network.trace import LayerTrace
from ..simulators.toolchain import find_simulator
from .cosimulate import FAILURES, CosimReport, LayerCosim, Progress, Tensors, reference_tensors
from .reproducer import Failure, write_network_reproducer


def cosimulate_network(
    program: Program,
    images: IntArray,
    arch: Arch,
    simulator: str = "verilator",
    *,
    build_dir: str | Path = "runs/build",
    failures: str | Path = FAILURES,
    reference: Engine = golden.run,
    progress: Progress = lambda what, done, total: None,
    emitted: Emitted | None = None,
    memory: DramModel | None = None,
) -> CosimReport:
    """Run `program` on the accelerator for every image, from one start to done each.

    Every layer reads what the layer before wrote, so the first differing layer is the one at
    fault; its first differing code is recorded in a folder below `failures` that reruns it.
    emitted: run this Verilog and this memory image instead of making them; `arch` is theirs.
    memory: times of external memory, where `arch` has one.
    """
    tool, memory = find_simulator(simulator), memory or DramModel()
    plan = check_storage(arch, program)
    tensors = reference_tensors(program, images, reference, progress)
    batch = tensors[INPUT]
    progress("build", 0, 1)
    run = run_network(
        [replace(network_case(program, batch, emitted), plan=plan, memory=memory)],
        arch,
        tool,
        build_dir,
        texts=emitted.texts if emitted else None,
        finished=lambda number: progress("simulate", number + 1, len(batch)),
    )
    models = run_cycles(arch, program, plan, memory)[1:]
    layers = compare_layers(models, tensors, run.cases[0], simulator)
    first = next((entry for entry in layers if entry.failure is not None), None)
    if first is not None:
        assert first.failure is not None
        written = write_network_reproducer(Path(failures), first.failure, program, arch, batch)
        layers[layers.index(first)] = replace(first, failure=written)
    return CosimReport(
        layers=layers,
        skipped=[],
        images=len(batch),
        arch=arch,
        simulator=f"{tool.name} {tool.version}",
        build_seconds=run.build_seconds,
        simulation_seconds=run.simulation_seconds,
    )


def network_case(program: Program, batch: IntArray, emitted: Emitted | None = None) -> Case:
    """All images of a program, on the memory image that was emitted before, if one was."""
    if emitted is None:
        return Case(program=program, images=batch)
    return Case(program=program, images=batch, change=lambda rows: emitted.rows)


def compare_layers(
    models: list[TensorCycles],
    tensors: Tensors,
    runs: list[dict[str, LayerTrace]],
    simulator: str,
) -> list[LayerCosim]:
    """All images of every layer against the reference's codes and the model's cycles."""
    return [
        _compare(model, tensors[model.name], [run[model.name] for run in runs], simulator)
        for model in models
    ]


def _compare(
    model: TensorCycles, expected: IntArray, traces: list[LayerTrace], simulator: str
) -> LayerCosim:
    """A code that differs or is absent is a mismatch."""
    failure, mismatches = None, 0
    for image, trace in enumerate(traces):
        want = np.asarray(expected[image], dtype=np.int64)
        wrong = np.argwhere((trace.codes != want) | (trace.at_cycle < 0))
        mismatches += len(wrong)
        if len(wrong) and failure is None:
            index = tuple(int(i) for i in wrong[np.argmin(trace.at_cycle[tuple(wrong.T)])])
            failure = Failure(
                layer=model.name,
                image=image,
                index=index,
                expected=int(want[index]),
                actual=int(trace.codes[index]),
                cycle=int(trace.at_cycle[index]),
                simulator=simulator,
            )
    return LayerCosim(
        name=model.name,
        kind=model.kind,
        compared=len(traces) * int(np.prod(np.shape(expected)[1:])),
        mismatches=mismatches,
        cycles_rtl=max(trace.cycles for trace in traces),
        cycles_model=model.cycles,
        stall_cycles_rtl=max(_stalls(trace) for trace in traces),
        stall_cycles_model=model.drain_stalls + model.word_stalls,
        failure=failure,
    )


def _stalls(trace: LayerTrace) -> int:
    """Cycles in which the array waits, for room for its sums or for weights."""
    return trace.events["drain_stalls"] + trace.events.get("word_stalls", 0)
