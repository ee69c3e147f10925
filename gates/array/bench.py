"""Gate-level energy of a program's layers beside that of the event model for the same array."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cosim.simulators.toolchain import Simulator
from ...cost.estimate.energy import prices_on
from ...cost.estimate.estimate import Estimate
from ...cost.events.events import EVENTS, LayerEvents
from ...cost.events.flip_flops import ARRAY, flip_flops
from ...cost.technology.technology import Band
from ...rtl.arch.arch import Arch
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.program.fit import narrowest
from ...spec.errors import InputError
from ...spec.program import Program
from ..energy.energy import (
    Assumptions,
    GateEnergy,
    energies,
    gate_energy,
    middle_slew_ns,
    together,
)
from ..liberty.liberty import Library, read_liberty
from ..netlist.mapping import map_named
from ..netlist.netlist import Netlist
from ..netlist.timing import critical_path
from ..placement.wires import Placing, Wires
from ..play.lanes import LaneModel, lane_model
from ..play.simulation import GateModel, Switching, build_gates
from ..repair.repair import RepairOptions, repaired_wires
from .array_gates import array_component, array_parts, play_stream
from .held_gates import held_component, held_parts, play_held
from .held_streams import HeldStream, held_random_twin, held_recorded
from .streams import OperandStream, random_twin, recorded
from .units import UNITS, areas, units_of

ARRAY_PARTS = ("multiply", "lookup", "add", "accumulate")
OUTSIDE = ("drain_register_bit",)
"""Events of those parts that happen behind the lane array."""
SUMS = "sums"
HELD_PARTS = (*ARRAY_PARTS, "hold", SUMS)
"""The same of an array that holds weights: station and memories of sums lie in it."""
ARRAY_EVENTS = tuple(
    name for name, kind in EVENTS.items() if kind.part in HELD_PARTS and name not in OUTSIDE
)
"""Parts of the event model in the lane array alone: no other memories, no output stage."""
SEED = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayGates:
    """One array in one library."""

    liberty: str
    voltage: float
    cells: int
    flip_flops: int
    area_um2: float
    critical_path_ns: float
    assumptions: Assumptions
    units_um2: dict[str, float] = field(default_factory=dict)
    """The area by `UNITS`; empty where Verilator plays."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamEnergy:
    """A stream on an array; `energy` is that of `beats` beats with `macs` products."""

    liberty: str
    layer: str
    operands: str
    beats: int
    macs: int
    energy: GateEnergy
    units: dict[str, GateEnergy]
    """The same by `UNITS`; empty where Verilator plays."""
    unplaced: GateEnergy | None = None
    """Of a placed array, without what its placement adds."""
    unplaced_units: dict[str, GateEnergy] = field(default_factory=dict)
    """The same by `UNITS`."""

    @property
    def pj_per_mac(self) -> float:
        return self.energy.total_fj / self.macs / 1000

    def to_dict(self) -> dict[str, Any]:
        return {
            "liberty": self.liberty,
            "layer": self.layer,
            "operands": self.operands,
            "beats": self.beats,
            "cycles": self.energy.cycles,
            "macs": self.macs,
            "pj_per_mac": self.pj_per_mac,
            "parts_pj_per_mac": self._per_mac(self.energy),
            "units_pj_per_mac": {name: self._per_mac(e) for name, e in self.units.items()},
        }

    def _per_mac(self, energy: GateEnergy) -> dict[str, float]:
        return {part: fj / self.macs / 1000 for part, fj in energy.parts.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A mapped, compiled array with its assumptions."""

    array: ArrayGates
    model: GateModel | LaneModel
    units: npt.NDArray[np.int64] | None = None
    """(gates,) numbers of `UNITS`."""
    wires: Wires | None = None
    """Of a placed array."""


def prepare(
    arch: Arch,
    liberty: Path,
    cache: Path,
    *,
    simulator: Simulator | None = None,
    slew_ns: float | None = None,
    period_ns: float | None = None,
    wire_factor: float = 0.0,
    placing: Placing | None = None,
    repair: RepairOptions | None = None,
) -> Bench:
    """Map the lane array of `arch`, its column once, place it (placing) and repair it (repair).

    simulator: a Verilator that plays it beat by beat; None: 64 parts of a stream at a time.
    slew_ns: None takes the middle of the library's tables. period_ns: cells are sized for it; None
    maps for speed and takes the critical path.
    """
    library = library_of(liberty.absolute(), liberty.stat().st_mtime_ns)
    if arch.holds:
        component, parts = held_component(arch), held_parts(arch)
    else:
        component, parts = array_component(arch), array_parts(arch)
    named = map_named(component, liberty, library, cache, period_ns, parts)
    netlist = named.netlist
    array = array_gates(netlist, library, slew_ns, period_ns, wire_factor=wire_factor)
    if simulator is not None:
        model = build_gates(netlist, library, simulator, cache)
        return Bench(array=array, model=model)
    wires, slew = None, array.assumptions.slew_ns
    if placing is not None:
        mapped = netlist
        netlist, wires = repaired_wires(mapped, library, placing, slew, cache, repair)
        if netlist is not mapped:
            named = replace(named, netlist=netlist)
            array = array_gates(netlist, library, slew_ns, period_ns, wire_factor=wire_factor)
    lanes = lane_model(netlist, library)
    units = units_of(named, lanes, arch)
    array = replace(array, units_um2=areas(netlist, library, units))
    return Bench(array=array, model=lanes, units=units, wires=wires)


@lru_cache(maxsize=1)
def library_of(path: Path, changed: int) -> Library:
    """A library is read once for all arrays. changed: when its file was."""
    return read_liberty(path)


def array_gates(
    netlist: Netlist,
    library: Library,
    slew_ns: float | None,
    period_ns: float | None,
    *,
    wire_factor: float = 0.0,
) -> ArrayGates:
    """Facts of a netlist and its assumptions (arguments as in `prepare`)."""
    slew = middle_slew_ns(library, netlist) if slew_ns is None else slew_ns
    path = critical_path(netlist, library, slew, wire_factor)
    assumed = Assumptions(
        slew_ns=slew,
        period_ns=path.ns if period_ns is None else period_ns,
        wire_factor=wire_factor,
    )
    return ArrayGates(
        liberty=library.name,
        voltage=library.voltage,
        cells=len(netlist.gates),
        flip_flops=_flip_flops(netlist, library),
        area_um2=netlist.area(library),
        critical_path_ns=path.ns,
        assumptions=assumed,
    )


def measure_streams(
    bench: Bench,
    arch: Arch,
    streams: Sequence[OperandStream | HeldStream],
    tick: Callable[[str], None],
) -> list[StreamEnergy]:
    """Energy of every stream; each is checked against the golden sums."""
    found = []
    for stream in streams:
        tick(f"{bench.array.liberty}: {stream.layer}, {stream.operands} operands")
        model, assumed = bench.model, bench.array.assumptions
        switching = _played(model, arch, stream)
        units: dict[str, GateEnergy] = {}
        bare: dict[str, GateEnergy] = {}
        if bench.units is not None:
            played = model.netlist, model.library, switching, assumed
            parts = energies(*played, bench.units, len(UNITS), bench.wires)
            units = dict(zip(UNITS, parts, strict=True))
            energy = together(parts)
            if bench.wires is not None:
                parts = energies(*played, bench.units, len(UNITS))
                bare = dict(zip(UNITS, parts, strict=True))
        else:
            energy = gate_energy(model.netlist, model.library, switching, assumed)
        found.append(
            StreamEnergy(
                liberty=bench.array.liberty,
                layer=stream.layer,
                operands=stream.operands,
                beats=len(stream),
                macs=stream.macs,
                energy=energy,
                units=units,
                unplaced=together([*bare.values()]) if bare else None,
                unplaced_units=bare,
            )
        )
    return found


def _played(
    model: GateModel | LaneModel, arch: Arch, stream: OperandStream | HeldStream
) -> Switching:
    if isinstance(stream, OperandStream):
        return play_stream(model, arch, stream)
    if isinstance(model, GateModel):
        raise InputError("Array that holds weights must be played without Verilator")
    return play_held(model, arch, stream)


def layer_streams_of(
    arch: Arch,
    program: Program,
    layers: Sequence[str],
    tensors: Mapping[str, npt.NDArray[Any]],
    most_beats: int | None,
) -> list[OperandStream]:
    """Real and random streams of every layer, in turn."""
    found = []
    for number, name in enumerate(layers):
        real = recorded(arch, program, name, tensors, most_beats=most_beats)
        found += [real, random_twin(real, SEED + number)]
    return found


def held_streams_of(
    arch: Arch,
    program: Program,
    layers: Sequence[str],
    tensors: Mapping[str, npt.NDArray[Any]],
    most_beats: int | None,
) -> list[HeldStream]:
    """The same for an array that holds weights."""
    found = []
    for number, name in enumerate(layers):
        real = held_recorded(arch, program, name, tensors, most_beats=most_beats)
        found += [real, held_random_twin(real, SEED + number)]
    return found


def beside(arch: Arch, program: Program) -> list[Arch]:
    """`arch`; where it holds weights, behind the first accelerator's array of the same size."""
    if not arch.holds:
        return [arch]
    first = narrowest(
        program,
        rows=arch.rows,
        cols=arch.cols,
        micro=arch.micro,
        multiply_width=arch.multiply_width,
    )
    return [first, arch]


def array_pj_per_mac(result: Estimate, program: Program, name: str) -> Band:
    """pJ per MAC that the event model gives to the lane array alone."""
    runs, _ = as_unsigned(program)
    prices = prices_on(runs, result.arch, result.technology)
    (events,) = (layer.events for layer in result.layers if layer.name == name)
    return array_events_pj(events, result.arch, prices) * (1 / events.macs)


def sums_pj_per_mac(result: Estimate, program: Program, name: str) -> Band:
    """pJ per MAC that the event model gives to the memories of sums of an array that holds
    weights: what its unit `sums` has in flip-flops, adders apart."""
    runs, _ = as_unsigned(program)
    prices = prices_on(runs, result.arch, result.technology)
    (events,) = (layer.events for layer in result.layers if layer.name == name)
    moved = (prices[e] * events.counts[e] for e, kind in EVENTS.items() if kind.part == SUMS)
    return sum(moved, start=Band.exactly(0.0)) * (1 / events.macs)


def array_events_pj(events: LayerEvents, arch: Arch, prices: Mapping[str, Band]) -> Band:
    """pJ of a layer in the lane array alone, by events: its own flip-flops' clock among them."""
    bits = flip_flops(arch)
    clocked = events.cycles * sum(bits[part] for part in ARRAY)
    moved = (prices[e] * events.counts[e] for e in ARRAY_EVENTS if e in events.counts)
    return sum(moved, start=prices["clock_bit"] * clocked)


def _flip_flops(netlist: Netlist, library: Any) -> int:
    return sum(n for name, n in netlist.counts().items() if library.cell(name).ff is not None)
