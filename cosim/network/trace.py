"""The accelerator's recording by layer: codes at their addresses, cycles."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.layouts.counters import events_of
from ...rtl.networks.plans import Pass, Plan
from ...spec.errors import SimulationError
from ...spec.formats import twos_complement
from ...spec.program import INPUT
from .files import Trace

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTrace:
    """One layer's codes, cycles and events for one image.

    codes: (C, H, W), the program's, without the offset that they have on the array; at_cycle: when
    each left, -1 for one that never came. cycles: of all its passes, from their fetch to their last
    code. events: totals of `events_of` the Arch.
    """

    codes: Codes
    at_cycle: Codes
    cycles: int
    events: dict[str, int] = field(default_factory=dict)


def layer_traces(arch: Arch, plan: Plan, trace: Trace) -> dict[str, LayerTrace]:
    """The recording by layer, codes placed by their addresses."""
    traces = {}
    program = plan.program
    names = [INPUT, *(layer.name for layer in program.layers)]
    # sorted once: a mask over all writes per layer would read them as often as there are layers
    order = np.argsort(trace.writes[:, 0], kind="stable")
    bounds = np.searchsorted(trace.writes[order, 0], np.arange(len(names) + 1))
    for number, name in enumerate(names):
        passes = [i for i, entry in enumerate(plan.passes) if entry.layer == name]
        totals = trace.totals[[i for i in passes if i < len(trace.totals)]].sum(axis=0)
        if number == len(names) - 1:
            codes, at_cycle = _in_order(plan, name, trace.results)
        else:
            _refuse_undefined(arch, plan, trace, number, name)
            mine = order[bounds[number] : bounds[number + 1]]
            codes, at_cycle = _stored(arch, plan, trace, name, mine)
        traces[name] = LayerTrace(
            codes=codes - plan.offsets.get(name, 0),
            at_cycle=at_cycle,
            cycles=int(totals[0]),
            events=dict(zip(events_of(arch), totals[1:].tolist(), strict=True)),
        )
    return traces


def _stored(arch: Arch, plan: Plan, trace: Trace, name: str, mine: Codes) -> tuple[Codes, Codes]:
    """Codes and cycles of a tensor from the writes `mine` of its layer, in their order."""
    region = plan.placement.tensors.get(name)
    if region is None:  # nobody reads it: its codes are given, not stored
        codes, at_cycle = _in_order(plan, name, trace.writes[mine, 3:])
        return _numbers(arch, plan, name, codes), at_cycle
    channels, height, width = plan.program.tensor_shape(name)
    blocks = -(-channels // arch.rows)
    _, address, lane, code, cycle = trace.writes[mine].T
    size = blocks * arch.rows * height * width
    codes, at_cycle = np.zeros(size, np.int64), np.full(size, -1)
    flat = (address - _origins(plan, trace, name, region.base, cycle)) * arch.rows + lane
    if flat.size and (flat.min() < 0 or flat.max() >= size):
        raise SimulationError(f"Layer {name!r} must write inside its region, not at {flat.max()}")
    codes[flat] = code
    at_cycle[flat] = cycle
    codes, shape = _numbers(arch, plan, name, codes), (height, width, -1)
    codes, at_cycle = (
        values.reshape(shape)[:, :, :channels].transpose(2, 0, 1) for values in (codes, at_cycle)
    )
    return codes, at_cycle


def _origins(plan: Plan, trace: Trace, name: str, base: int, cycles: Codes) -> Codes:
    """Where the tensor's first word would be, by the cycles of its writes: passes that make some
    lines of it do not put them where they would be in a whole map."""
    origins = [entry.origins.get(name, base) for entry in plan.passes]
    ends = np.cumsum(trace.totals[:, 0])
    return np.array(origins)[np.minimum(np.searchsorted(ends, cycles), len(origins) - 1)]


def _numbers(arch: Arch, plan: Plan, name: str, stored: Codes) -> Codes:
    """Stored codes of a tensor as numbers."""
    if plan.program.tensor_format(name).signed:
        return twos_complement(stored, arch.storage.code_width)
    return stored


def _refuse_undefined(arch: Arch, plan: Plan, trace: Trace, number: int, name: str) -> None:
    """Refuse an undefined code of the tensor; lanes beyond its last channel do not count."""
    region, (channels, _, _) = plan.placement.tensors.get(name), plan.program.tensor_shape(name)
    _, address, lane, cycle = trace.undefined[trace.undefined[:, 0] == number].T
    if region is None:
        wrong = np.arange(len(lane))
    else:
        block = (address - region.base) % -(-channels // arch.rows)
        wrong = np.flatnonzero(block * arch.rows + lane < channels)
    if len(wrong):
        at = wrong[0]
        raise SimulationError(
            f"Layer {name!r} must write defined codes, not x in lane {lane[at]} of address "
            f"{address[at]} in cycle {cycle[at]}"
        )


def _in_order(plan: Plan, name: str, given: Codes) -> tuple[Codes, Codes]:
    """Codes and cycles of a layer from the pairs `given` in the order of its passes."""
    shape = plan.program.tensor_shape(name)
    walks = [entry.result_walk for entry in plan.passes if gives(entry, plan, name)]
    positions = np.concatenate([result_positions(walk, shape) for walk in walks])
    codes, at_cycle = np.zeros(positions.size, np.int64), np.full(positions.size, -1)
    count = min(len(positions), len(given))
    codes[positions[:count]] = given[:count, 0]
    at_cycle[positions[:count]] = given[:count, 1]
    return codes.reshape(shape), at_cycle.reshape(shape)


def gives(entry: Pass, plan: Plan, name: str) -> bool:
    """Whether the pass gives codes of a layer; of the last one only what leaves as results."""
    if name == plan.program.layers[-1].name:
        return bool(entry.word.get("to_stream"))
    return name in (entry.layer, entry.second) and not entry.idle


def result_positions(walk: dict[str, int], shape: tuple[int, int, int]) -> Codes:
    """Indices in the flattened (C, H, W) map of the codes of a walk, in its order."""
    channels, height, width = shape
    pixels = height * width
    part = walk["lines"] * width
    block, pixel, column = np.indices((walk["blocks"], part, walk["group"])).reshape(3, -1)
    channel = walk["channel"] + block * walk["group"] + column
    return (channel * pixels + walk["line"] * width + pixel)[channel < channels]
