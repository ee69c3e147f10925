"""Which accelerator an Arch describes."""

from ..accelerator.accelerator import Accelerator
from ..arch.arch import Arch
from .machine import Machine


def accelerator_of(arch: Arch, *, instances: bool = False) -> Accelerator | Machine:
    """`Machine` where lanes hold weights for several pixels, else `Accelerator`.

    instances: columns are instances of one Verilog module.
    """
    if arch.holds:
        return Machine(arch, instances=instances)
    return Accelerator(arch, instances=instances)
