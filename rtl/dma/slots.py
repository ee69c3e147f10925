"""Slots of the load targets that jobs can move."""

from ..accelerator.activation_memory import BANKS
from ..accelerator.ports import Target, row_widths
from ..arch.arch import Arch
from ..layouts.jobs import Slot, external_of, slot_of

MOVED = (
    Target.CODEBOOKS,
    Target.THRESHOLDS,
    Target.REQUANTS,
    *(Target.ACTIVATIONS + bank for bank in range(BANKS)),
    Target.WEIGHTS,
)
"""Load targets of jobs; all banks of weights are one, whose rows are the planes."""


def transfer_slots(arch: Arch) -> dict[int, Slot]:
    """Slot of the rows of every target of `MOVED`."""
    widths, bus = row_widths(arch), external_of(arch).bus_width
    return {target: slot_of(widths[target], bus) for target in MOVED}
