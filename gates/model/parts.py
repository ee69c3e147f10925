"""Parts of the datapath that are characterized: widths, and the terms of their energy.

Lane arrays are modelled for every size from a few, those that hold weights for one `Arch.hold` and
as many columns at the weight port; an output unit (threshold, requant) in its one size. All are one
linear model (`linear`) in one file format (`characterization_file`).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import assert_never

from ...rtl.arch import registry
from ...rtl.arch.arch import Arch
from ...rtl.lanes.held_toggles import HELD_TOGGLES
from ...rtl.networks.demands import REQUANT_FIELDS
from ..array.structure import STRUCTURE
from ..output_stage.terms import UNIT_TERMS


class Part(StrEnum):
    """A part of the datapath; the value names its tables in a file."""

    ARRAY = "micro"
    HELD = "held"
    """An array that holds weights."""
    UNIT = "unit"


ARRAYS = (Part.ARRAY, Part.HELD)
PER = {**dict.fromkeys(ARRAYS, "pj_per_mac"), Part.UNIT: "pj_per_output"}
"""Unit of work of the energies of test rows."""
_LANES = "act_width", "weight_width", "level_width", "acc_width", "bin_width", "channels"
WIDTHS = {
    **dict.fromkeys(ARRAYS, _LANES),
    Part.UNIT: (
        "acc_width", "threshold_width", "out_width", "multiplier_width", "bias_width",
        "skip_width", "skip_multiplier_width", "shift_max",
    ),
}  # fmt: skip
"""Fields of an `Arch` that a part depends on, except its size."""
HELD_KINDS = "hold", "port_columns"
"""What an `Arch` that holds weights must have as it was characterized."""


def lanes_name(arch: Arch) -> str:
    """Name of an array's lanes in files: `uniform_4` has multipliers of 4 bits."""
    return named_lanes(arch.micro, arch.multiply_width)


def named_lanes(micro: str, multiply_width: int | None) -> str:
    return micro if multiply_width is None else f"{micro}_{multiply_width}"


def lanes_of(name: str) -> tuple[str, int | None]:
    """(micro, multiply_width) of such a name; refuse another."""
    micro, _, width = name.rpartition("_")
    if name not in registry.names() and width.isascii() and width.isdigit() and len(width) < 3:
        return registry.checked(micro), int(width)
    return registry.checked(name), None


def terms_of(part: Part, name: str) -> tuple[str, ...]:
    """Names of the terms of the energy of a micro-architecture's arrays, or of a unit."""
    match part:
        case Part.ARRAY:
            return (*STRUCTURE, *registry.micro(lanes_of(name)[0]).toggle_names)
        case Part.HELD:
            lanes_of(name)
            return (*STRUCTURE, *HELD_TOGGLES)
        case Part.UNIT:
            return UNIT_TERMS[name]
        case _:
            assert_never(part)


def widths_of(arch: Arch, names: Iterable[str]) -> dict[str, int]:
    """Widths of an array, those of its requant unit among them."""
    return {n: getattr(arch.requant if n in REQUANT_FIELDS else arch, n) for n in names}


def with_widths(arch: Arch, widths: Mapping[str, int]) -> Arch:
    """`arch` with other widths."""
    fields = arch.to_dict()
    if arch.multiply_width is not None:  # `to_dict` leaves out one that is the levels'
        fields["multiply_width"] = arch.multiply_width
    own = {name: width for name, width in widths.items() if name not in REQUANT_FIELDS}
    requant = {name: width for name, width in widths.items() if name in REQUANT_FIELDS}
    return Arch.from_dict({**fields, **own, "requant": {**fields["requant"], **requant}})


def substitutions(asked: Arch, costed: Arch, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Widths that differ: (of the requested array, of the one that is costed)."""
    before, after = widths_of(asked, names), widths_of(costed, names)
    return {name: (w, after[name]) for name, w in before.items() if w != after[name]}
