"""Windows: the cycles of an image in which a layer runs, as traces and waves count them."""

from ...rtl.arch.arch import Arch
from ...rtl.program.fit import check_storage
from ...rtl.program.run_cycles import run_cycles
from ...rtl.timing.dram import DramModel
from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.program import Program

Window = tuple[int, int]
"""First and last cycle, both included."""


def layer_window(program: Program, arch: Arch, layer: str, within: Window | None = None) -> Window:
    """Cycles of the image in which `layer` runs, from its first fetch to its last code.

    within: only these of them, counted from its first. Errors: `InputError` for a layer that the
    program does not have, and for cycles beyond its last.
    """
    first = 0
    for tensor in run_cycles(arch, program, check_storage(arch, program), DramModel()):
        if tensor.name == layer:
            last = tensor.cycles - 1
            if within is None:
                return first, first + last
            if not 0 <= within[0] <= within[1] <= last:
                raise InputError(
                    f"Window of layer {shown(layer)} must be within its cycles 0:{last}, not "
                    f"{within[0]}:{within[1]}"
                )
            return first + within[0], first + within[1]
        first += tensor.cycles
    names = ", ".join(x.name for x in program.layers)
    raise InputError(f"Window must be of a layer of the program ({names}), not {shown(layer)}")
