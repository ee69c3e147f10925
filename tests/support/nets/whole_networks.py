"""Whole programs through the accelerator, compared with golden and the cycle model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from adqhw.cosim.layer.harness import Pressure
from adqhw.cosim.network.network import Case, run_network
from adqhw.cosim.simulators.toolchain import Simulator
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.planning.fold import stored_image
from adqhw.rtl.program.fit import check_storage
from adqhw.rtl.program.run_cycles import run_cycles
from adqhw.rtl.timing.dram import DramModel
from adqhw.spec import Program, golden
from adqhw.spec.program import INPUT


def differences(
    cases: list[tuple[Program, np.ndarray]], arch: Arch, simulator: Simulator, builds: Path, *,
    pressure: Callable[[int], Pressure] = lambda number: Pressure(),
    memory: Callable[[int], DramModel] = lambda number: DramModel(),
    resets: bool = False,
) -> list[tuple[int, str, str]]:  # fmt: skip
    """(case, tensor, what differs) of every tensor whose codes, cycles or counters are wrong.

    Cycles must be the model's plus the counted stalls of the two streams, for every tensor; where
    lanes hold weights the array goes on while a result waits, and they may be fewer. resets: the
    first image of every case is begun twice, the accelerator reset in a random cycle of its run.
    """
    made = run_network(
        [
            Case(
                program=program,
                images=images,
                pressure=pressure(number),
                memory=memory(number),
                resets=_moments(arch, program, memory(number), number, int(resets)),
            )
            for number, (program, images) in enumerate(cases)
        ],
        arch,
        simulator,
        builds,
    )
    found = []
    for number, (program, images) in enumerate(cases):
        tensors = {INPUT: images, **golden.run(program, images, "all").tensors}
        plan = check_storage(arch, program)
        if arch.holds:
            tensors[INPUT] = stored_image(plan, images) - plan.offsets.get(INPUT, 0)
        for image, traces in enumerate(made.cases[number]):
            for model in run_cycles(arch, program, plan, memory(number)):
                trace, want = traces[model.name], tensors[model.name][image]
                events = trace.events
                held = events["input_stalls"] + events["output_stalls"]
                wrong = int(((trace.codes != want) | (trace.at_cycle < 0)).sum())
                if wrong:
                    found.append((number, model.name, f"{wrong} of {want.size} codes"))
                least = model.cycles if arch.holds else model.cycles + held
                if arch.external is not None:
                    names = ("beats_read", "beats_written")
                    moved = [(events[name], getattr(model, name)) for name in names]
                    if any(one != other for one, other in moved):
                        found.append((number, model.name, f"beats of the memory: {moved}"))
                free = pressure(number).memory_stall > 0  # of external memory: no model
                if not least <= trace.cycles or (trace.cycles > model.cycles + held and not free):
                    found.append((number, model.name, f"{trace.cycles} cycles, {model}, {events}"))
                counted = ["beats", "drain_stalls"]
                if arch.holds:  # a result that waits delays what makes room for sums
                    counted = ["beats", *([] if held else ["drain_stalls", "word_stalls"])]
                if any(events[name] != getattr(model, name) for name in counted):
                    found.append((number, model.name, f"{events}, not {model}"))
    return found


def _moments(arch: Arch, program: Program, memory: DramModel, seed: int, count: int) -> list[int]:
    """Cycles at random within a run that nothing holds up; later runs are not shorter."""
    if not count:
        return []
    plan = check_storage(arch, program)
    cycles = sum(model.cycles for model in run_cycles(arch, program, plan, memory))
    return np.random.default_rng([seed, cycles]).integers(0, cycles, count).tolist()
