"""Cost models: one interface, layer -> cost of one image, and two providers.

`estimate.EventModel` counts events and prices them by a technology table; `gates.model.estimate`
prices toggles of the lane array and of the output stage by coefficients fitted to their gates. All
of them are asked with the layer's time on the array, which is computed once for a network.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol, TypeVar

from ...rtl.arch.arch import Arch
from ...rtl.networks.plans import Plan
from ...rtl.planning.step_cycles import plan_cycles
from ...rtl.program.fit import check_storage
from ...rtl.timing.dram import DramModel
from ...rtl.timing.network_cycles import TensorCycles, network_cycles
from ...spec.errors import InputError
from ...spec.layers import Layer
from ...spec.program import Program, SizedNetwork
from ..technology.technology import Band

Timings = Mapping[str, TensorCycles]
"""Of the input and of every layer, by name, in order."""


class LayerCost(Protocol):
    """Cost of one layer for one image."""

    @property
    def name(self) -> str: ...

    @property
    def energy_pj(self) -> Band: ...


Cost = TypeVar("Cost", bound=LayerCost, covariant=True)


class CostModel(Protocol[Cost]):
    """Prices the layers of a network on an array."""

    def layer_cost(self, layer: Layer, timing: TensorCycles) -> Cost | None:
        """None: the model is of a part of the machine that does nothing for such a layer."""


def timings_of(arch: Arch, network: SizedNetwork, memory: DramModel | None = None) -> Timings:
    """The cycle model's answer for a network on an array.

    memory: times of external memory, where the array has one; None: those of `DramModel`.
    """
    if arch.external is not None:
        timings = plan_cycles(arch, external_plan_of(arch, network), memory)
    else:
        timings = network_cycles(arch, network)
    return {timing.name: timing for timing in timings}


@lru_cache(maxsize=2)
def external_plan_of(arch: Arch, network: SizedNetwork) -> Plan:
    """The plan of a program on an array with external memory, whose jobs move what it lacks."""
    if not isinstance(network, Program):
        raise InputError(
            "Arch external must be absent for a network without weights: there is nothing to load"
        )
    return check_storage(arch, network)


def layer_costs(
    model: CostModel[Cost], network: SizedNetwork, timings: Timings
) -> tuple[Cost, ...]:
    """Costs of the layers that the model prices, in order."""
    costs = (model.layer_cost(layer, timings[layer.name]) for layer in network.layers)
    return tuple(cost for cost in costs if cost is not None)
