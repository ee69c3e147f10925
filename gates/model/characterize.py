"""Fit of a lane array's energy and area to its gates, and its error where it was not fitted.

Fitted: beats of every other layer with weights, image 0, small arrays. Tested: the layers between,
whole, image 1, a larger array. Real operands everywhere, random ones for every fourth layer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.program.fit import covering
from ...spec.errors import InputError
from ...spec.program import Program
from ..array.bench import SEED, ArrayGates, Bench, mac_layers, measure_streams, prepare
from ..array.streams import random_twin, recorded
from .fit import Errors, Sample, errors_of, fit_area, fit_energy, predict_area

Size = tuple[int, int]
Tensors = Mapping[str, npt.NDArray[Any]]
FIT_IMAGE, TEST_IMAGE = 0, 1
RANDOM_EVERY = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is synthesized and played."""

    sizes: tuple[Size, ...] = ((2, 2), (4, 4), (2, 8), (8, 2), (8, 8))
    """(rows, cols) of the arrays that are fitted."""
    test_size: Size = (16, 16)
    beats: int = 4000
    """Most beats of a layer on a fitted array; the tested one plays whole layers."""
    slew_ns: float | None = None
    period_ns: float = 5.0
    """Cells are sized for this clock, and leak as long per cycle."""
    wire_factor: float = 0.0

    def __post_init__(self) -> None:
        if len(set(self.sizes)) < 4 or self.test_size in self.sizes:
            raise InputError(
                f"Sizes must be at least 4 to fit and another to test, not {self.sizes} and "
                f"{self.test_size}"
            )
        if self.beats < 1:
            raise InputError(f"Beats must be at least 1, not {self.beats}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Characterization:
    """One micro-architecture in one library."""

    micro: str
    arch: Arch
    """Of the test size: its widths are those of all."""
    gates: ArrayGates
    """Of the test size."""
    energy_fj: dict[str, float]
    """By `gate_fit.terms_of`."""
    area_um2: dict[str, float]
    """By `structure.STRUCTURE`."""
    fitted: tuple[Sample, ...]
    tested: tuple[Sample, ...]

    def errors(self, operands: str, *, tested: bool = True) -> Errors:
        """Of the samples with these operands."""
        samples = self.tested if tested else self.fitted
        return errors_of(self.energy_fj, [s for s in samples if s.operands == operands])

    @property
    def area_error_percent(self) -> float:
        """Signed, of the test size."""
        predicted = predict_area(self.area_um2, self.arch.rows, self.arch.cols)
        return 100 * (predicted / self.gates.area_um2 - 1)


def characterize(
    program: Program,
    also: Sequence[Program],
    tensors: Tensors,
    liberty: Path,
    micro: str,
    plan: Plan,
    cache: Path,
    tick: Callable[[str], None],
) -> Characterization:
    """Measure and fit.

    also: programs that the arrays must be wide enough for. tensors: name -> codes (N, C, H, W) of
    at least two images.
    """
    names = mac_layers(program)
    fitted, tested, areas = [], [], {}
    for size in (*plan.sizes, plan.test_size):
        arch = covering([program, *also], rows=size[0], cols=size[1], micro=micro)
        tick(f"{liberty.name}, {micro} {size[0]}x{size[1]}: synthesis")
        bench = prepare(
            arch, liberty, cache,
            slew_ns=plan.slew_ns, period_ns=plan.period_ns, wire_factor=plan.wire_factor,
        )  # fmt: skip
        if size == plan.test_size:
            tested = measured(bench, arch, program, names[1::2], tensors, TEST_IMAGE, None)
        else:
            areas[size] = bench.array.area_um2
            fitted += measured(bench, arch, program, names[::2], tensors, FIT_IMAGE, plan.beats)
    return Characterization(
        micro=micro,
        arch=arch,
        gates=bench.array,
        energy_fj=fit_energy(fitted),
        area_um2=fit_area(areas),
        fitted=tuple(fitted),
        tested=tuple(tested),
    )


def measured(
    bench: Bench,
    arch: Arch,
    program: Program,
    layers: Sequence[str],
    tensors: Tensors,
    image: int,
    beats: int | None,
) -> list[Sample]:
    """Samples of `layers` on one array; every sum of the netlist is the golden one."""
    streams = []
    for number, name in enumerate(layers):
        real = recorded(arch, program, name, tensors, image=image, most_beats=beats)
        streams.append(real)
        if number % RANDOM_EVERY == 0:
            streams.append(random_twin(real, SEED + number))
    found = measure_streams(bench, arch, streams, lambda text: None)
    return [
        Sample(
            rows=arch.rows,
            cols=arch.cols,
            layer=stream.layer,
            operands=stream.operands,
            image=image,
            macs=stream.macs,
            cycles=energy.energy.cycles,
            toggles=arch.lanes.toggles(arch, stream),
            energy_fj=energy.energy.total_fj,
        )
        for stream, energy in zip(streams, found, strict=True)
    ]
