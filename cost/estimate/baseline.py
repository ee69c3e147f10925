"""Baseline: the same integers on plain multipliers, levels stored instead of codes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ...rtl.arch.arch import Arch
from ...rtl.arch.external import EXTERNAL_RANGES
from ...rtl.arch.registry import BASELINE
from ...rtl.arch.storage import STORAGE_RANGES, Storage
from ...rtl.timing.dram import DramModel
from ...rtl.timing.tables import stored_width
from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.program import SizedNetwork
from ..events.memories import with_storage
from .estimate import ASSUMED, Estimate, estimate
from .model import external_plan_of, timings_of

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity

MOST_PASSES, MOST_DOUBLINGS = 1 << 16, 12


def uniform_baseline(
    result: Estimate,
    network: SizedNetwork,
    *,
    activity: "Mapping[str, LayerActivity] | None" = None,
    statistics: str = ASSUMED,
    memory: DramModel | None = None,
) -> Estimate:
    """The same integers on plain multipliers: levels stored instead of codes, nothing looked up.

    memory: times of external memory that the result has.
    """
    if result.arch.micro == BASELINE:
        return result
    plain = plain_array(network, result.arch)
    return estimate(
        network,
        plain,
        result.technology,
        options=result.options,
        activity=activity,
        statistics=statistics,
        timings=None if memory is None else timings_of(plain, network, memory),
    )


def plain_array(network: SizedNetwork, arch: Arch) -> Arch:
    """`arch` with plain multipliers, and memories for the levels that they need."""
    plain = replace(arch, micro=BASELINE)
    if plain.external is None:
        return with_storage(network, plain)
    wider = max(
        (-(-stored_width(plain, x) // stored_width(arch, x)) for x in network.mac_layers), default=1
    )
    most = replace(plain.external, jobs=EXTERNAL_RANGES["jobs"][1])
    for doublings in range(MOST_DOUBLINGS):
        tried = replace(plain, storage=_grown(arch.storage, wider, 1 << doublings), external=most)
        try:
            external_plan_of(tried, network)
        except InputError:  # passes are cut by all memories together
            continue
        return tried
    raise InputError(
        f"Arch storage must be large enough for plain weights too, not {shown(arch.storage)}"
    )


def _grown(storage: Storage, wider: int, times: int) -> Storage:
    """Memories for weights that are `wider` times as wide, and `times` as many parameters."""
    limit = STORAGE_RANGES["weight_rows"][1]
    return replace(
        storage,
        weight_rows=min(storage.weight_rows * wider, limit),
        threshold_rows=min(storage.threshold_rows * times, limit),
        requant_rows=min(storage.requant_rows * times, limit),
        passes=MOST_PASSES,
    )
