"""Characterization of the output stage: fitted on half of the layers, tested on the others.

The tested ones are whole, and of another image.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, pairwise
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.arch.registry import DEFAULT
from ...rtl.program.fit import covering
from ...spec.errors import InputError
from ...spec.program import Program
from ..array.bench import ArrayGates, array_gates
from ..energy.energy import gate_energy
from ..liberty.liberty import read_liberty
from ..netlist.mapping import map_component
from ..output_stage.gates import UNITS, play_output, unit_component
from ..output_stage.streams import OutputStream, output_stream, output_unit
from ..play.lanes import LaneModel, lane_model
from .characterize import FIT_IMAGE, TEST_IMAGE, Plan
from .output_fit import TERMS, OutputSample, fit_unit, output_terms

PARTS = 4
"""A fitted layer is so many samples, a quarter each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitCharacterization:
    """A unit of the output stage in one library."""

    unit: str
    arch: Arch
    gates: ArrayGates
    energy_fj: dict[str, float]
    """By `output_fit.TERMS`."""
    fitted: tuple[OutputSample, ...]
    tested: tuple[OutputSample, ...]


def characterize_outputs(
    program: Program,
    also: Sequence[Program],
    tensors: Mapping[str, npt.NDArray[Any]],
    liberty: Path,
    plan: Plan,
    cache: Path,
    tick: Callable[[str], None],
) -> list[UnitCharacterization]:
    """Threshold and requant unit behind an array of the tested size.

    tensors: name -> codes (N, C, H, W) of at least two images.
    """
    rows, cols = plan.test_size
    arch = covering([program, *also], rows=rows, cols=cols, micro=DEFAULT)
    library, found = read_liberty(liberty), []
    for unit in UNITS:
        names = [x.name for x in program.layers if output_unit(program, x.name) == unit]
        if len(names) < 2:
            raise InputError(f"Program must have at least 2 layers that end in the {unit} unit")
        tick(f"{liberty.name}: {unit} unit")
        netlist = map_component(unit_component(arch, unit), liberty, library, cache, plan.period_ns)
        gates = array_gates(
            netlist, library, plan.slew_ns, plan.period_ns, wire_factor=plan.wire_factor
        )
        model, fitted, tested = lane_model(netlist, library), [], []
        # layers come as reads and convolutions in turn: two to fit, two to test
        chosen = [number // 2 % 2 == 0 for number in range(len(names))]
        for name in compress(names, chosen):
            stream = output_stream(arch, program, name, tensors, image=FIT_IMAGE)
            fitted += [_sample(model, gates, arch, part) for part in _quarters(stream)]
        for name in compress(names, [not fit for fit in chosen]):
            stream = output_stream(arch, program, name, tensors, image=TEST_IMAGE)
            tested.append(_sample(model, gates, arch, stream))
        if len(fitted) < len(TERMS[unit]):
            raise InputError(
                f"Samples of the {unit} unit must be at least {len(TERMS[unit])}, not {len(fitted)}"
            )
        found.append(
            UnitCharacterization(
                unit=unit,
                arch=arch,
                gates=gates,
                energy_fj=fit_unit(unit, fitted),
                fitted=tuple(fitted),
                tested=tuple(tested),
            )
        )
    return found


def _quarters(stream: OutputStream) -> list[OutputStream]:
    groups = len(stream.accs)
    if groups < PARTS:
        return [stream]
    edges = [number * groups // PARTS for number in range(PARTS + 1)]
    names = ("accs", "channels", "skips", "codes", "used")
    return [
        replace(stream, **{name: getattr(stream, name)[begin:end] for name in names})
        for begin, end in pairwise(edges)
    ]


def _sample(model: LaneModel, gates: ArrayGates, arch: Arch, stream: OutputStream) -> OutputSample:
    """The stream on the gates; every code is the golden one."""
    switching = play_output(model, arch, stream)
    energy = gate_energy(model.netlist, model.library, switching, gates.assumptions)
    return OutputSample(
        layer=stream.layer,
        outputs=stream.accs.size,
        cycles=energy.cycles,
        terms=output_terms(arch, stream),
        energy_fj=energy.total_fj,
    )
