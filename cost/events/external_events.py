"""Events of the jobs of arrays with external memory: what a plan moves between it and the chip.

Per pass, a job moves whole beats of the bus (dram_weight_bit, dram_map_bit) and rows of an on-chip
memory: loads write weights, parameters or words of maps, stores read words. What jobs load is moved
for every image; what stays on the chip is loaded with the network as `traffic` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...rtl.accelerator.activation_memory import BANKS
from ...rtl.accelerator.ports import Target
from ...rtl.arch.arch import Arch
from ...rtl.dma.slots import transfer_slots
from ...rtl.layouts.jobs import Job, external_of, job_beats
from ...rtl.networks.plans import Pass, Plan
from ...spec.layers import Layer
from ...spec.program import INPUT
from .memories import requant_row_bits, row_bits, threshold_row_bits

MAPS = tuple(Target.ACTIVATIONS + bank for bank in range(BANKS))


@dataclass(frozen=True, kw_only=True, eq=False)
class OutsideCounts:
    """Of a plan: counts of the jobs by layer, and what they load."""

    jobs: Mapping[str, Mapping[str, float]]
    streamed: frozenset[int]
    parameter_rows: Mapping[str, int]
    """Rows of parameters that the passes of a layer read; chained thresholds by their own name."""
    banks: Mapping[str, int]

    @classmethod
    def of(cls, arch: Arch, plan: Plan) -> "OutsideCounts":
        jobs: dict[str, dict[str, float]] = {}
        rows: dict[str, int] = {}
        first = plan.program.layers[0].name  # jobs beside the image's way in are its own
        for entry in plan.passes:
            counts = jobs.setdefault(first if entry.layer == INPUT else entry.layer, {})
            for job in entry.jobs:
                for name, bits in job_counts(arch, job).items():
                    counts[name] = counts.get(name, 0.0) + bits
            for name, count in _rows_of(arch, entry).items():
                rows[name] = rows.get(name, 0) + count
        streamed = plan.outside.streamed if plan.outside is not None else frozenset()
        placed = plan.placement.tensors
        return cls(
            jobs=jobs,
            streamed=streamed,
            parameter_rows=rows,
            banks={name: region.banks.bit_count() for name, region in placed.items()},
        )

    def read_parameters(self, layer: Layer, arch: Arch) -> dict[str, float]:
        """The layer's rows that the passes read."""
        rows = self.parameter_rows.get(layer.name, 0)
        return {"parameter_read_bit": float(rows * arch.out_lanes * row_bits(layer, arch))}


def job_counts(arch: Arch, job: Job) -> dict[str, float]:
    """Bits on the bus, and of the rows that it loads or stores."""
    external, slot = external_of(arch), transfer_slots(arch)[job.target]
    bus = float(job_beats(job, slot, external) * external.bus_width)
    if job.target in MAPS:
        words = float(job.rows * arch.rows * arch.storage.code_width)
        return {
            "dram_map_bit": bus,
            "activation_read_bit" if job.store else "activation_write_bit": words,
        }
    widths = {
        Target.WEIGHTS: ("weight_load_bit", arch.rows * arch.port_columns),
        Target.CODEBOOKS: ("weight_load_bit", arch.level_width),
        Target.THRESHOLDS: ("parameter_write_bit", arch.out_lanes * threshold_row_bits(arch)),
        Target.REQUANTS: ("parameter_write_bit", arch.out_lanes * requant_row_bits(arch)),
    }
    name, width = widths[Target(job.target)]
    return {"dram_weight_bit": bus, name: float(job.rows * width)}


def _rows_of(arch: Arch, entry: Pass) -> dict[str, int]:
    """Rows of parameters that a pass reads, by the layer that has them."""
    stage, walk = entry.word["stage"], entry.word["walk"]
    if not stage or walk.get("whole"):
        return {}
    found = {entry.layer: 1 if stage["shared"] else _blocks(arch, walk)}
    if entry.second is not None:
        found[entry.second] = 1 if stage["second_shared"] else _blocks(arch, walk)
    return found


def _blocks(arch: Arch, walk: Mapping[str, Any]) -> int:
    pixels, rows = walk["height"] * walk["width"], 0
    for block in range(walk["blocks"]):
        channels = min(walk["group"], walk["channels"] - block * walk["group"])
        count = -(-channels // arch.out_lanes)
        rows += 1 if count == 1 else count * pixels
    return rows
