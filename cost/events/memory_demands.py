"""Demands: words and ports of the on-chip memories whose capacities `memories` gives.

Weights and parameters are written before a run, so one port does, except beside jobs that load
while a pass reads; activations and sums are read and written in the same cycle.
"""

from ...rtl.arch.arch import Arch
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.timing.tables import stored_width
from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from ..technology.built import Demand
from .memories import Memories, requant_row_bits, sum_bits, threshold_row_bits


def memory_demands(network: SizedNetwork, arch: Arch, capacity: Memories) -> dict[str, Demand]:
    """By the names of `memory_table.NAMES`, of one array; capacity: `memories` of both."""
    network, _ = as_unsigned(network)
    loads = 2 if arch.external is not None else 1
    row = max(threshold_row_bits(arch), requant_row_bits(arch))
    demands = {
        "weights": Demand(
            bits=int(capacity.weight_bits), word=_weight_word(network, arch), ports=loads
        ),
        "activations": Demand(
            bits=capacity.activation_bits, word=int(arch.rows) * _code_width(network, arch), ports=2
        ),
        "parameters": Demand(bits=capacity.parameter_bits, word=arch.out_lanes * row, ports=loads),
    }
    if arch.holds:
        copies = sum_bits(arch) // capacity.sum_bits
        demands["sums"] = Demand(
            bits=capacity.sum_bits, word=arch.acc_width, ports=2, copies=copies
        )
    return demands


def _weight_word(network: SizedNetwork, arch: Arch) -> int:
    """Bits of a beat's weights in the widest layer, or of a plane where weights are held."""
    if arch.holds:
        return int(arch.rows * arch.port_columns)
    widths = [
        stored_width(arch, layer)
        for layer in network.layers
        if isinstance(layer, MacLayer | PoolLayer) and layer.sums
    ]
    return int(arch.rows * arch.cols) * max(widths, default=1)


def _code_width(network: SizedNetwork, arch: Arch) -> int:
    if arch.holds:
        return arch.storage.code_width
    return max(network.tensor_format(name).width for name in network.tensors)
