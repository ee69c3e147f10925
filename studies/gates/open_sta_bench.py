"""A lane array's gate energy beside OpenSTA's, part by part, at the same activity.

OpenSTA counts cells and the nets that they drive, but not nets that ports drive (the clock is
one): these are not compared. `gate_energy` calls flip-flops' clock pins `clock`; here they are
internal power, as in `report_power`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...gates.array.array_gates import play_stream
from ...gates.array.bench import Bench
from ...gates.array.streams import OperandStream
from ...gates.energy.energy import Assumptions, gate_energy
from ...gates.energy.open_sta import energies_only, find_open_sta, gate_powers, measured_activity
from ...gates.liberty.liberty import Library
from ...gates.liberty.table import Floats
from ...gates.liberty.text import read_text
from ...gates.netlist.netlist import Netlist, net_loads
from ...gates.play.simulation import Switching
from ...rtl.arch.arch import Arch
from ...spec.errors import InputError

PARTS = ("switching", "internal", "leakage")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """fJ of the counted cycles, as OpenSTA splits them."""

    switching: float
    internal: float
    leakage: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Own energy of a netlist, and OpenSTA's with the library as it is and with one capacitance.

    A library may give a pin a capacitance per edge beside the one for both: OpenSTA sums them over
    a net's pins and takes the edge with the larger sum, `gate_energy` sums the one for both.
    `one_capacitance` is OpenSTA without those per edge.
    """

    cycles: int
    own: Parts
    open_sta: Parts
    one_capacitance: Parts
    worst_gate: float
    """Largest relative difference of a gate's switching energy, at one capacitance."""
    port_nets_fj: float
    """Own switching energy of nets that ports drive, the clock among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamComparison:
    """Of one stream."""

    liberty: str
    layer: str
    operands: str
    found: Comparison

    def to_dict(self) -> dict[str, Any]:
        names = {name: getattr(self, name) for name in ("liberty", "layer", "operands")}
        return {**names, **asdict(self.found)}


def check(wire_factor: float) -> None:
    """Refuse settings that cannot be compared, before minutes of simulation."""
    find_open_sta()
    if wire_factor:
        raise InputError(
            f"OpenSTA must be compared without wires, not with a wire factor of {wire_factor:g}"
        )


def compare_streams(
    bench: Bench, arch: Arch, streams: Sequence[OperandStream], liberty: Path
) -> list[StreamComparison]:
    """Each stream simulated again; liberty: the file that the netlist was mapped to."""
    text, model = read_text(liberty), bench.model
    return [
        StreamComparison(
            liberty=bench.array.liberty,
            layer=stream.layer,
            operands=stream.operands,
            found=compare(
                model.netlist,
                model.library,
                text,
                play_stream(model, arch, stream),
                bench.array.assumptions,
            ),
        )
        for stream in streams
    ]


def compare(
    netlist: Netlist, library: Library, text: str, switching: Switching, assumed: Assumptions
) -> Comparison:
    """text: the library's, unchanged."""
    check(assumed.wire_factor)
    energy = gate_energy(netlist, library, switching, assumed)
    per_gate = switching_fj(netlist, library, switching)
    clock_net = _clock_net_fj(netlist, library, switching)
    own = Parts(
        switching=float(per_gate.sum()),
        internal=float(energy.internal_fj + energy.clock_fj - clock_net),
        leakage=energy.leakage_fj,
    )
    activity = measured_activity(netlist, library, switching)
    comparisons = []
    for one in (False, True):
        handed = energies_only(text, one_capacitance=one)
        powers = gate_powers(netlist, library, handed, activity, assumed)
        table = np.array([[getattr(power, part) for part in PARTS] for power in powers])
        # W x ns = 1e-9 J = 1e6 fJ
        comparisons.append(table * (1e6 * assumed.period_ns * switching.cycles))
    whole, single = (
        Parts(**dict(zip(PARTS, table.sum(axis=0).tolist(), strict=True))) for table in comparisons
    )
    moved = per_gate > 0
    apart = np.abs(comparisons[1][:, 0][moved] / per_gate[moved] - 1)
    return Comparison(
        cycles=switching.cycles,
        own=own,
        open_sta=whole,
        one_capacitance=single,
        worst_gate=float(apart.max(initial=0.0)),
        port_nets_fj=float(energy.switching_fj - own.switching + clock_net),
    )


def switching_fj(netlist: Netlist, library: Library, switching: Switching) -> Floats:
    """(gates,) 1/2 C V^2 per change of the nets that each gate drives."""
    charge = 0.5 * library.voltage**2 * net_loads(netlist, library) * switching.toggles
    outputs = {name: library.cell(name).outputs for name in netlist.counts()}
    return np.array(
        [
            sum(charge[gate.pins[pin]] for pin in outputs[gate.cell] if pin in gate.pins)
            for gate in netlist.gates
        ]
    )


def _clock_net_fj(netlist: Netlist, library: Library, switching: Switching) -> float:
    """C V^2 of the clock's net per cycle."""
    if netlist.clock is None:
        return 0.0
    load = float(net_loads(netlist, library)[netlist.clock])
    return library.voltage**2 * load * switching.cycles
