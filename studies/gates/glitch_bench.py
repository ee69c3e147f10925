"""The share of glitches in a lane array's energy, on short streams of real and random operands."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...gates.array.array_gates import array_stimulus, play_stream
from ...gates.array.bench import Bench
from ...gates.array.streams import OperandStream
from ...gates.energy.energy import gate_energy
from ...gates.netlist.netlist import net_loads
from ...gates.play.glitches import glitches
from ...rtl.arch import registry
from ...rtl.arch.arch import Arch
from ...spec.errors import InputError, SimulationError


@dataclass(frozen=True, kw_only=True, slots=True)
class GlitchShare:
    """Share of glitches of one stream, which no other figure contains."""

    liberty: str
    layer: str
    operands: str
    cycles: int
    switching_factor: float
    """Switching energy with glitches over that without."""
    share_percent: float
    """Of the array's energy without glitches, with internal power growing like switching."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def glitch_shares(bench: Bench, arch: Arch, streams: Sequence[OperandStream]) -> list[GlitchShare]:
    """Each stream with the library's delays and without; both must settle alike in every net."""
    if not arch.lanes.single_cycle:
        single = [name for name in registry.names() if registry.micro(name).single_cycle]
        raise InputError(
            f"Glitches must be asked of {' or '.join(single)}, which wait for nothing, not "
            f"of {arch.micro}"
        )
    return [_share(bench, arch, stream) for stream in streams]


def _share(bench: Bench, arch: Arch, stream: OperandStream) -> GlitchShare:
    netlist, library, assumed = bench.model.netlist, bench.model.library, bench.array.assumptions
    switching = play_stream(bench.model, arch, stream, lanes=1)
    stimulus = array_stimulus(arch, netlist, stream)
    result = glitches(netlist, library, stimulus, assumed.slew_ns, assumed.wire_factor)
    if not np.array_equal(result.settled, switching.toggles):
        net = int(np.flatnonzero(result.settled != switching.toggles)[0])
        raise SimulationError(
            f"Layer {stream.layer!r}, net {net}: changes between settled states must be those of "
            f"the zero-delay run ({switching.toggles[net]}), not {result.settled[net]}"
        )
    energy = gate_energy(netlist, library, switching, assumed)
    factor = result.factor(net_loads(netlist, library, assumed.wire_factor))
    extra = (factor - 1) * (energy.internal_fj + energy.switching_fj)
    return GlitchShare(
        liberty=bench.array.liberty,
        layer=stream.layer,
        operands=stream.operands,
        cycles=result.cycles,
        switching_factor=factor,
        share_percent=100 * extra / energy.total_fj,
    )
