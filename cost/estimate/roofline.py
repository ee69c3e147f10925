"""Roofline: is a layer held up by the array or by the memory behind it?

The array does at most rows x cols MACs per cycle; DRAM delivers `bandwidth` bits per cycle. A
layer moves its packed weights and tables (shared by the images of a load), the first one the image,
the last one the logits. With transfers hidden behind the work, a layer lasts as long as the slower
of the two:

    cycles = max(compute cycles, ceil(DRAM bits / bandwidth))

Intensity is MACs per DRAM bit; left of the ridge, rows x cols / bandwidth, memory is the limit even
for an array that never waits. Compute cycles are the cycle model's, so `array` also names layers
that keep lanes idle.
"""

import math
from dataclasses import dataclass
from typing import Any

from ...spec.errors import InputError
from ...spec.host.reading import LEAST, MOST
from .estimate import Estimate, LayerEstimate


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerRoof:
    """One layer under the roof."""

    name: str
    dram_bits: float
    compute_cycles: int
    memory_cycles: int
    intensity: float | None
    """MACs per DRAM bit; None without DRAM traffic."""
    attainable: float
    """MACs per cycle that the roof allows at this intensity."""
    achieved: float
    """MACs per cycle of the slower of array and memory."""

    @property
    def cycles(self) -> int:
        return max(self.compute_cycles, self.memory_cycles)

    @property
    def bound(self) -> str:
        """`array` or `memory`: the limit of the layer."""
        return "memory" if self.memory_cycles > self.compute_cycles else "array"

    def to_dict(self) -> dict[str, Any]:
        fields = ("name", "dram_bits", "compute_cycles", "memory_cycles", "cycles", "bound")
        return {f: getattr(self, f) for f in (*fields, "intensity", "attainable", "achieved")}


def roofline(result: Estimate, bandwidth: float) -> list[LayerRoof]:
    """Every layer of `result` under a DRAM of `bandwidth` bits per cycle."""
    if not (isinstance(bandwidth, int | float) and LEAST <= bandwidth <= MOST):
        raise InputError(f"Bandwidth must be a positive number of bits per cycle, not {bandwidth}")
    peak = result.arch.rows * result.arch.cols
    return [_layer(layer, bandwidth, peak) for layer in result.layers]


def _layer(layer: LayerEstimate, bandwidth: float, peak: int) -> LayerRoof:
    counts, macs = layer.events.counts, layer.events.macs
    bits = counts["dram_weight_bit"] + counts["dram_map_bit"]
    memory = math.ceil(bits / bandwidth)
    intensity = macs / bits if bits else None
    return LayerRoof(
        name=layer.name,
        dram_bits=bits,
        compute_cycles=layer.events.cycles,
        memory_cycles=memory,
        intensity=intensity,
        attainable=peak if intensity is None else min(peak, intensity * bandwidth),
        achieved=macs / max(layer.events.cycles, memory),
    )
