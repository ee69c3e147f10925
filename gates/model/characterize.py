"""Characterization: a part's energy and area fitted to its gates, its errors where it was not.

Lane arrays. Fitted: beats of every other layer with weights, image 0, small arrays. Tested: the
layers between, whole, image 1, a larger array. Real operands everywhere, random ones for every
fourth layer. Output units. Fitted on half of the layers, image 0, in quarters; tested on the
others, whole, image 1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, pairwise
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.arch.registry import DEFAULT
from ...rtl.program.fit import covering
from ...spec.errors import InputError
from ...spec.program import Program
from ..array.bench import SEED, SUMS, ArrayGates, Bench, array_gates, measure_streams, prepare
from ..array.played import array_streams, array_toggles, waiting
from ..array.streams import REAL
from ..array.structure import STRUCTURE, structure
from ..energy.energy import gate_energy
from ..liberty.liberty import read_liberty
from ..netlist.mapping import map_component
from ..output_stage.gates import UNITS, play_output, unit_component
from ..output_stage.streams import OutputStream, output_stream, output_unit
from ..output_stage.terms import output_terms
from ..placement.wires import Placing, Wires
from ..play.lanes import LaneModel, lane_model
from ..repair.repair import RepairOptions, repaired_wires
from .fit import constant_area
from .linear import Sample, fit_area, fit_energy, predict
from .parts import Part, lanes_of

Size = tuple[int, int]
Tensors = Mapping[str, npt.NDArray[Any]]
"""Name -> codes (N, C, H, W) of at least two images."""
FIT_IMAGE, TEST_IMAGE = 0, 1
RANDOM_EVERY = 4
QUARTERS = 4
"""A fitted layer of an output unit is so many samples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The synthesized and simulated design."""

    sizes: tuple[Size, ...] = ((2, 2), (4, 4), (2, 8), (8, 2), (8, 8))
    """(rows, cols) of the arrays that are fitted."""
    test_size: Size = (16, 16)
    beats: int = 4000
    """Most beats of a layer on a fitted array; the tested one plays whole layers."""
    slew_ns: float | None = None
    period_ns: float = 5.0
    """Cells are sized for this clock, and leak as long per cycle."""
    wire_factor: float = 0.0
    hold: int = 1
    port_columns: int = 1
    """Columns at the weight port of an array that holds weights, whatever its size."""
    out_lanes: int = 1
    """Of the tested array that holds weights; of others as many as divide rows and columns."""
    placing: Placing | None = None
    """Arrays and units are placed, and their energy has wires and a clock tree."""
    repair: RepairOptions | None = None
    """Those that miss the period with their wires are repaired."""

    @property
    def part(self) -> Part:
        return Part.HELD if self.hold > 1 else Part.ARRAY

    def options(self, size: Size) -> dict[str, int]:
        """What `covering` asks of an array of that size."""
        rows, cols = size
        found = {"rows": rows, "cols": cols}
        if self.hold > 1:
            found |= {"hold": self.hold, "fill": cols // self.port_columns}
            found["out_lanes"] = math.gcd(self.out_lanes, rows, cols)
        return found

    def __post_init__(self) -> None:
        if self.repair is not None and self.placing is None:
            raise InputError("Repair must be of a placement, not without one")
        if self.placing is not None and self.wire_factor:
            raise InputError(
                f"Wire factor must be 0 beside a placement, which has the wires, not "
                f"{self.wire_factor!r}"
            )
        if len(set(self.sizes)) < 4 or self.test_size in self.sizes:
            raise InputError(
                f"Sizes must be at least 4 to fit and another to test, not {self.sizes} and "
                f"{self.test_size}"
            )
        if self.hold > 1 and any(c % self.port_columns for _, c in (*self.sizes, self.test_size)):
            raise InputError(
                f"Sizes must have multiples of {self.port_columns} columns, as the weight port has "
                f"in the tested array, not {self.sizes} and {self.test_size}"
            )
        if self.beats < 1:
            raise InputError(f"Beats must be at least 1, not {self.beats}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Characterization:
    """One micro-architecture, or one output unit, in one library."""

    part: Part
    name: str
    arch: Arch
    """Of the test size: its widths are those of all."""
    gates: ArrayGates
    """Of the test size."""
    energy_fj: dict[str, float]
    """By `parts.terms_of`."""
    sums_fj: dict[str, float] | None = None
    """The part of it in the memories of sums, of an array that holds weights."""
    area_um2: dict[str, float]
    """By `structure.STRUCTURE`."""
    fitted: tuple[Sample, ...]
    tested: tuple[Sample, ...]
    wires: Mapping[str, Wires] = field(default_factory=dict)
    """By array (ROWSxCOLS) or unit, where they were placed."""

    @property
    def area_error_percent(self) -> float:
        """Signed, of the test size."""
        predicted = predict(self.area_um2, structure(self.arch.rows, self.arch.cols))
        return 100 * (predicted / self.gates.area_um2 - 1)


def characterize(
    program: Program,
    also: Sequence[Program],
    tensors: Tensors,
    liberty: Path,
    lanes: str,
    plan: Plan,
    cache: Path,
    tick: Callable[[str], None],
    *,
    only: Sequence[str] = (),
) -> Characterization:
    """Measure and fit the lane array; also: programs that it must be wide enough for. only: layers
    that are played, in turn to fit and to test; (): all.

    lanes: `parts.lanes_name`. Of an array that holds weights, its memories of sums with their
    adders and all the rest are fitted one by one.
    """
    micro, multiply_width = lanes_of(lanes)
    names = [x.name for x in program.mac_layers if not only or x.name in only]
    fitted, tested, areas, wires = [], [], {}, {}
    for size in (*plan.sizes, plan.test_size):
        arch = covering(
            [program, *also], micro=micro, multiply_width=multiply_width, **plan.options(size)
        )
        named = f"{size[0]}x{size[1]}"
        steps = "synthesis" if plan.placing is None else "synthesis and placement"
        tick(f"{liberty.name}, {lanes} {named}: {steps}")
        bench = prepare(
            arch, liberty, cache,
            slew_ns=plan.slew_ns, period_ns=plan.period_ns, wire_factor=plan.wire_factor,
            placing=plan.placing,
            repair=plan.repair,
        )  # fmt: skip
        if bench.wires is not None:
            wires[named] = bench.wires
        if size == plan.test_size:
            tested = measured(bench, arch, program, names[1::2], tensors, TEST_IMAGE, None)
        else:
            areas[size] = bench.array.area_um2
            fitted += measured(bench, arch, program, names[::2], tensors, FIT_IMAGE, plan.beats)
    energy, sums = _fitted_energy(fitted)
    return Characterization(
        part=plan.part,
        name=lanes,
        arch=arch,
        gates=bench.array,
        energy_fj=energy,
        sums_fj=sums,
        area_um2=fit_area(areas),
        fitted=tuple(fitted),
        tested=tuple(tested),
        wires=wires,
    )


def _fitted_energy(
    fitted: Sequence[Sample],
) -> tuple[dict[str, float], dict[str, float] | None]:
    """The terms' energies, and the part of them in the memories of sums where there are some."""
    energy = fit_energy([sample.rest for sample in fitted])
    if fitted[0].sums_fj is None:
        return energy, None
    sums = fit_energy([replace(s, energy_fj=s.sums_fj or 0.0) for s in fitted])
    return {name: energy[name] + sums[name] for name in energy}, sums


def without_wires(entry: Characterization) -> Characterization:
    """Of a placed array or unit the fit to the same streams without what its placement adds."""
    fitted = tuple(sample.bare for sample in entry.fitted)
    energy, sums = _fitted_energy(fitted)
    tested = tuple(sample.bare for sample in entry.tested)
    return replace(entry, energy_fj=energy, sums_fj=sums, fitted=fitted, tested=tested, wires={})


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
        seed = None if number % RANDOM_EVERY else SEED + number
        streams += array_streams(
            arch, program, name, tensors, image=image, most_beats=beats, seed=seed
        )
        if image == FIT_IMAGE:
            streams += waiting(streams[-1])
    samples = []
    for stream, drawn in zip(
        streams, measure_streams(bench, arch, streams, lambda text: None), strict=True
    ):
        fixed = structure(arch.rows, arch.cols)
        standing = {name: fixed[name] * drawn.energy.cycles for name in STRUCTURE}
        samples.append(
            Sample(
                layer=stream.layer,
                operands=stream.operands,
                count=stream.macs,
                terms=standing | array_toggles(arch, stream),
                energy_fj=drawn.energy.total_fj,
                sums_fj=drawn.units[SUMS].total_fj if arch.holds else None,
                unplaced_fj=None if drawn.unplaced is None else drawn.unplaced.total_fj,
                unplaced_sums_fj=(
                    drawn.unplaced_units[SUMS].total_fj
                    if arch.holds and drawn.unplaced_units
                    else None
                ),
            )
        )
    return samples


def characterize_outputs(
    program: Program,
    also: Sequence[Program],
    tensors: Tensors,
    liberty: Path,
    plan: Plan,
    cache: Path,
    tick: Callable[[str], None],
) -> list[Characterization]:
    """Measure and fit threshold and requant unit behind an array of the tested size."""
    rows, cols = plan.test_size
    arch = covering([program, *also], rows=rows, cols=cols, micro=DEFAULT)
    library, entries = read_liberty(liberty), []
    for unit in UNITS:
        names = [x.name for x in program.layers if output_unit(program, x.name) == unit]
        if len(names) < 2:
            raise InputError(f"Program must have at least 2 layers that end in the {unit} unit")
        tick(f"{liberty.name}: {unit} unit")
        netlist = map_component(unit_component(arch, unit), liberty, library, cache, plan.period_ns)
        gates = array_gates(
            netlist, library, plan.slew_ns, plan.period_ns, wire_factor=plan.wire_factor
        )
        wires = None
        if plan.placing is not None:
            mapped, slew = netlist, gates.assumptions.slew_ns
            netlist, wires = repaired_wires(mapped, library, plan.placing, slew, cache, plan.repair)
            if netlist is not mapped:
                gates = array_gates(netlist, library, plan.slew_ns, plan.period_ns)
        fitted, tested = _unit_samples(
            lane_model(netlist, library), gates, wires, arch, program, names, tensors
        )
        entries.append(
            Characterization(
                part=Part.UNIT,
                name=unit,
                arch=arch,
                gates=gates,
                energy_fj=fit_energy(fitted),
                area_um2=constant_area(gates.area_um2),
                fitted=tuple(fitted),
                tested=tuple(tested),
                wires={} if wires is None else {unit: wires},
            )
        )
    return entries


def _unit_samples(
    model: LaneModel,
    gates: ArrayGates,
    wires: Wires | None,
    arch: Arch,
    program: Program,
    names: Sequence[str],
    tensors: Tensors,
) -> tuple[list[Sample], list[Sample]]:
    """Samples to fit and to test of the layers `names`; every code is the golden one."""
    fitted, tested = [], []
    # layers come as reads and convolutions in turn: two to fit, two to test
    chosen = [number // 2 % 2 == 0 for number in range(len(names))]
    for name in compress(names, chosen):
        stream = output_stream(arch, program, name, tensors, image=FIT_IMAGE)
        fitted += [_unit_sample(model, gates, wires, arch, part) for part in _quarters(stream)]
    for name in compress(names, [not fit for fit in chosen]):
        stream = output_stream(arch, program, name, tensors, image=TEST_IMAGE)
        tested.append(_unit_sample(model, gates, wires, arch, stream))
    return fitted, tested


def _quarters(stream: OutputStream) -> list[OutputStream]:
    groups = len(stream.accs)
    if groups < QUARTERS:
        return [stream]
    edges = [number * groups // QUARTERS for number in range(QUARTERS + 1)]
    names = ("accs", "channels", "skips", "codes", "used")
    return [
        replace(stream, **{name: getattr(stream, name)[begin:end] for name in names})
        for begin, end in pairwise(edges)
    ]


def _unit_sample(
    model: LaneModel, gates: ArrayGates, wires: Wires | None, arch: Arch, stream: OutputStream
) -> Sample:
    played = model.netlist, model.library, play_output(model, arch, stream), gates.assumptions
    energy = gate_energy(*played, wires)
    return Sample(
        layer=stream.layer,
        operands=REAL,
        count=stream.accs.size,
        terms=output_terms(arch, stream),
        energy_fj=energy.total_fj,
        unplaced_fj=None if wires is None else gate_energy(*played).total_fj,
    )
