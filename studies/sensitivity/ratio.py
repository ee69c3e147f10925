"""Ratio of two designs under one set of assumptions: energy of learned codebooks over plain bits.

A `Rival` is a program on a micro-architecture; an `Assumed` is all else that the energies of both
follow from. Both rivals always have the same assumptions, so what they share cancels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...cost.estimate.estimate import Estimate, estimate
from ...cost.estimate.operation import operation
from ...cost.events.traffic import Options
from ...cost.sweep.arrays import Lanes, arch_of
from ...cost.technology.entries import Band, Entry
from ...cost.technology.technology import Technology
from ...rtl.networks.unsigned import as_unsigned
from ...spec.errors import InputError
from ...spec.program import Program

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity


@dataclass(frozen=True, kw_only=True, eq=False)
class Rival:
    """One of the two designs."""

    name: str
    program: Program
    micro: str
    """A micro-architecture; `uniform:4` has multipliers of 4 bits."""
    activity: "Mapping[str, LayerActivity] | None" = None
    """Measured on images; None: not measured."""

    @property
    def label(self) -> str:
        return f"{self.name} on {self.micro}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Assumed:
    """What a ratio is taken under."""

    technology: Technology
    lanes: Lanes
    options: Options = field(default_factory=Options)
    zeros: float | None = None
    """Share of products whose activation is 0, instead of what was measured; None: as measured,
    or none where nothing was."""
    leakage_mhz: float | None = None
    """Clock at which leakage of the memories is counted too; None: it is not."""


def costs_of(rival: Rival, assumed: Assumed) -> Estimate:
    """The estimate of one design; errors as `arch_of`'s."""
    arch = arch_of(rival.program, assumed.lanes, rival.micro)

    def made(activity: "Mapping[str, LayerActivity] | None") -> Estimate:
        return estimate(
            rival.program, arch, assumed.technology, activity=activity, options=assumed.options
        )

    if assumed.zeros is None:
        return made(rival.activity)
    return made(_with_zeros(made(None), rival.program, assumed.zeros))


def energy_pj(rival: Rival, assumed: Assumed) -> float:
    """Of one image, as expected."""
    result = costs_of(rival, assumed)
    if assumed.leakage_mhz is None:
        return result.energy.total.expected
    at = operation(result, assumed.leakage_mhz)
    return at.watts.expected / at.frames_per_second * 1e12


def ratio_of(learned: Rival, plain: Rival, assumed: Assumed) -> float:
    """Energy of `learned` over that of `plain`."""
    below = energy_pj(plain, assumed)
    if below == 0.0:
        raise InputError(f"Plain design must have an energy, not 0: {plain.label}")
    return energy_pj(learned, assumed) / below


def at_middle(technology: Technology) -> Technology:
    """Every entry without its bar."""
    memories = technology.memories
    table = None if memories is None else replace(memories, entries=_middles(memories.entries))
    return replace(technology, entries=_middles(technology.entries), memories=table)


def at_corner(entry: Entry, corner: str) -> Entry:
    """The entry without its bar, at one corner."""
    return replace(entry, value=Band.exactly(getattr(entry.value, corner)))


def _middles(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    return {name: at_corner(entry, "expected") for name, entry in entries.items()}


def _with_zeros(none_zero: Estimate, program: Program, share: float) -> "dict[str, LayerActivity]":
    """Activity in which `share` of the products that are not gated have an activation of 0."""
    from ...sim.activity import LayerActivity

    network, _ = as_unsigned(program)
    nothing = dict.fromkeys(
        ("zero_weight_macs", "zero_act_macs", "table_reads", "threshold_compares", "requants",
         "outputs", "inputs"),
        0,
    )  # fmt: skip
    return {
        layer.name: LayerActivity(
            name=layer.name,
            images=1,
            macs=network.macs(layer.name),
            macs_by_code=(),
            active_macs=round(layer.events.active_macs * (1.0 - share)),
            **nothing,
        )
        for layer in none_zero.layers
    }
