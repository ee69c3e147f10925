"""Bit budgets side by side: programs x micro-architectures x characterized libraries, as one table.

Energy of the lane array by its gates (`gates.model.estimate`), of the on-chip memories by a
technology table, both of whole images; the page lists what neither contains. A program runs on the
array of the characterization, so all rows of a library have the same widths. An array that holds
weights has two rows: with its sums in flip-flops, by their gates, and in memories, by the table.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...cost.estimate.energy import Energy, prices_on
from ...cost.estimate.estimate import Estimate, estimate, measure
from ...cost.estimate.model import Timings, timings_of
from ...cost.events.events import EVENTS
from ...cost.events.flip_flops import flip_flops
from ...cost.technology.technology import ZERO, Band, Technology
from ...gates.array.bench import SUMS
from ...gates.model.estimate import (
    ArrayEstimate,
    array_estimate,
    fitting,
    output_estimate,
)
from ...gates.model.library import GateLibrary
from ...gates.model.operands import Operands
from ...gates.model.parts import lanes_of
from ...rtl.arch import registry
from ...rtl.arch.arch import Arch
from ...rtl.networks.demands import check_program
from ...rtl.program.fit import narrowest
from ...spec.errors import InputError
from ...spec.formats import IntArray
from ...spec.layers import MacLayer
from ...spec.program import Program

FLIP_FLOPS, MEMORIES = "flip-flops", "memories"
"""Where an array that holds weights has its sums."""
MEMORY_PARTS = tuple(
    dict.fromkeys(k.part for k in EVENTS.values() if k.split == "memory" and k.part != SUMS)
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A program with its top-1."""

    name: str
    program: Program
    top1: float
    """Percent of the test images, by the integer program."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerCost:
    """One layer with weights, one image."""

    name: str
    code_bits: int | None
    """Of a stored code; None: the layer's weights are stored levels on every array."""
    depth: int
    """Beats of a sum."""
    array_pj: Band
    weight_bits_read: float
    memory_pj: Band = ZERO
    """Of the on-chip memories, as in `Row`."""
    dram_pj: Band = ZERO


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One program on one array in one library, one image."""

    program: str
    top1: float
    weight_bits: float
    library: str
    micro: str
    """`parts.lanes_name`."""
    cycles: int
    array_pj: Band
    memory_pj: Band
    area_um2: float
    output_pj: Band | None = None
    """Threshold and requant unit; None: not characterized."""
    hold: int = 1
    sums: str = ""
    """`FLIP_FLOPS` or `MEMORIES`, of an array that holds weights."""
    plain: bool = False
    """The weights are uniform ones: every codebook is a grid of whole steps."""
    layers: tuple[LayerCost, ...] = ()
    dram_pj: Band = ZERO
    """Weights, image and logits, once per image; on no page but the verdict's."""
    weight_bit_fj: Band | None = None
    """To read one bit of the weight memory, by the technology table."""

    @property
    def shared_pj(self) -> Band:
        """Beside the array: priced by one table for every micro-architecture."""
        return self.memory_pj if self.output_pj is None else self.memory_pj + self.output_pj

    def to_dict(self) -> dict[str, Any]:
        return {
            "program": self.program,
            "top1": self.top1,
            "weight_bits": self.weight_bits,
            "plain": self.plain,
            "library": self.library,
            "micro": self.micro,
            "sums": self.sums,
            "cycles": self.cycles,
            "array_pj": self.array_pj.as_dict(),
            "memory_pj": self.memory_pj.as_dict(),
            "area_um2": self.area_um2,
            "output_pj": None if self.output_pj is None else self.output_pj.as_dict(),
            "layers": [asdict(layer) for layer in self.layers],
        }


def rows_of(
    candidate: Candidate,
    libraries: Mapping[str, GateLibrary],
    technologies: Sequence[Technology],
    images: IntArray,
    *,
    rows: int,
    cols: int,
    hold: int = 1,
    fill: int = 1,
    out_lanes: int = 1,
    left_out: list[str] | None = None,
    only: Collection[str] = (),
) -> list[Row]:
    """Rows of every library and micro-architecture that the program can use.

    technologies: of the memories; each library takes the one of its node.
    images: (N, C, H, W) codes whose operands and activity are counted. left_out: receives the
    characterizations that are too narrow for the program, with the reason. only: names of lanes;
    (): all that are characterized.
    """
    size = {"rows": rows, "cols": cols, "hold": hold, "fill": fill, "out_lanes": out_lanes}
    program = candidate.program
    activity, operands = measure(program, images), Operands.of_images(program, images)
    results = []
    for library in libraries.values():
        technology = library.of_node(technologies)
        fits = library.lanes(holds=hold > 1)
        for name in fits:
            micro, multiply_width = lanes_of(name)
            if (only and name not in only) or not usable(program, micro):
                continue
            arch = narrowest(program, micro=micro, multiply_width=multiply_width, **size)
            wide, fit = fitting(arch, fits)
            if left_out is not None and (reason := too_narrow(wide, program)):
                left_out.append(f"{library.name}, {candidate.name} on {name}: {reason}")
                continue
            if untested := fit.untested(wide):
                raise InputError(f"Array must be of a size with known errors: {untested}")
            timings, moved = timings_of(arch, program), operands.toggles(wide)
            gates = array_estimate(program, wide, fit, moved)
            events = estimate(program, arch, technology, activity=activity, timings=timings)
            row = Row(
                program=candidate.name,
                top1=candidate.top1,
                weight_bits=program.average_weight_bits,
                library=library.name,
                micro=name,
                cycles=events.cycles,
                array_pj=gates.energy_pj,
                memory_pj=events.energy.split["memory"],
                area_um2=gates.area_um2,
                plain=uniform_weights(program),
                layers=_layer_costs(program, timings, gates, events, _memory),
                dram_pj=events.energy.split["dram"],
                weight_bit_fj=prices_on(program, arch, technology)["weight_read_bit"] * 1000.0,
            )
            if arch.holds:
                rest = array_estimate(program, wide, fit.without_sums(), moved)
                results += _held_rows(row, program, timings, gates, rest, events)
                continue
            behind = library.units and output_estimate(
                program, arch, library.units, operands, timings=timings
            )
            if behind:
                area = gates.area_um2 + behind.area_um2
                row = replace(row, area_um2=area, output_pj=behind.energy_pj)
            results.append(row)
    return results


def _held_rows(
    row: Row,
    program: Program,
    timings: Timings,
    whole: ArrayEstimate,
    rest: ArrayEstimate,
    events: Estimate,
) -> list[Row]:
    """`row` with its sums in flip-flops, then in memories; rest: the whole array without its sums.

    Sums in flip-flops are the array's, by its gates; in memories they and the additions to them
    are the memories', so that a comparison of lanes prices them at one corner. The output lanes are
    priced by events, their share of the clock among them.
    """
    arch, parts = events.arch, events.energy.parts
    memory = _held_memory(events.energy)
    flops = flip_flops(arch)
    share = (flops["output lanes"] + flops["output operands"]) / sum(flops.values())
    row = replace(
        row, memory_pj=memory, output_pj=parts["output"] + parts["clock"] * share, hold=arch.hold
    )
    by_layer = {layer.name: layer.energy.parts for layer in events.layers}
    summed = [by_layer[layer.name] for layer in rest.layers]
    sums = sum((p[SUMS] + p["accumulate"] for p in summed), start=Band.exactly(0.0))
    flops_in = _layer_costs(program, timings, whole, events, _held_memory)
    return [
        replace(row, sums=FLIP_FLOPS, layers=flops_in),
        replace(
            row,
            sums=MEMORIES,
            array_pj=rest.energy_pj,
            memory_pj=memory + sums,
            layers=_layer_costs(program, timings, rest, events, _held_memory_and_sums),
        ),
    ]


def _memory(energy: Energy) -> Band:
    return energy.split["memory"]


def _held_memory(energy: Energy) -> Band:
    return sum((energy.parts[name] for name in MEMORY_PARTS), start=ZERO)


def _held_memory_and_sums(energy: Energy) -> Band:
    return _held_memory(energy) + energy.parts[SUMS] + energy.parts["accumulate"]


def _layer_costs(
    program: Program,
    timings: Timings,
    gates: ArrayEstimate,
    events: Estimate,
    memory: Callable[[Energy], Band],
) -> tuple[LayerCost, ...]:
    """memory: what of a layer's energy is its on-chip memories'."""
    by_name = {layer.name: layer for layer in events.layers}
    results = []
    for array in gates.layers:
        layer, timing = program.layer(array.name), timings[array.name]
        assert isinstance(layer, MacLayer)  # an array prices no other
        results.append(
            LayerCost(
                name=array.name,
                code_bits=None if layer.codebook is None else layer.weight_width,
                depth=-(-timing.beats // timing.groups),
                array_pj=array.energy_pj,
                weight_bits_read=float(by_name[array.name].events.counts["weight_read_bit"]),
                memory_pj=memory(by_name[array.name].energy),
                dram_pj=by_name[array.name].energy.split["dram"],
            )
        )
    return tuple(results)


def uniform_weights(program: Program) -> bool:
    """Whether every codebook's levels are all the multiples of one step that its codes reach."""
    for layer in program.layers:
        table = layer.codebook
        if table is None:
            continue
        levels = np.unique(table.levels)
        steps = np.unique(np.diff(levels))
        if len(steps) > 1 or (levels % steps[0]).any():
            return False
    return True


def too_narrow(arch: Arch, program: Program) -> str:
    """Why the program does not fit the array; empty: it does."""
    try:
        check_program(arch, program)
    except InputError as error:
        return str(error)
    return ""


def usable(program: Program, micro: str) -> bool:
    """Whether the program's codebooks suit the micro-architecture."""
    try:
        registry.micro(micro).check(program)
    except InputError:
        return False
    return True
