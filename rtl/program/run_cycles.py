"""Cycles of a run of a plan, of every kind of accelerator."""

from ...spec.program import SizedNetwork
from ..arch.arch import Arch
from ..networks.plans import Plan
from ..planning.step_cycles import plan_cycles
from ..timing.dram import DramModel
from ..timing.network_cycles import TensorCycles, network_cycles


def run_cycles(
    arch: Arch, program: SizedNetwork, plan: Plan, memory: DramModel | None = None
) -> list[TensorCycles]:
    """The input and every layer, in order, with streams that do not stall. memory: the external
    one; the passes of its plan depend on the sizes of the memories on chip."""
    if arch.external is not None:
        return plan_cycles(arch, plan, memory)
    return network_cycles(arch, program)
