"""Threshold and requant unit at gate level: parameters from outside, every code the golden one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from ...rtl.arch.arch import Arch
from ...rtl.engine.requant_unit import RequantUnit
from ...rtl.engine.threshold_unit import ThresholdUnit, row_layout
from ...rtl.layouts.hexfile import field_bits
from ...rtl.layouts.payloads import acc_layout, requant_layout, shift_width, threshold_layout
from ...rtl.timing.timing import output_latency
from ...spec.errors import SimulationError
from ...spec.formats import twos_complement
from ..array.array_gates import IDLE_ROWS, RESET_ROWS, placed
from ..netlist.netlist import Netlist
from ..play.lanes import LaneModel, play_parts, shares
from ..play.simulation import COUNT, FOLLOWED, RECORD, Bits, Stimulus, Switching, Watch
from .streams import REQUANT, THRESHOLD, OutputStream

WATCH = Watch(valid="codes_valid", record="codes_payload")
UNITS = (THRESHOLD, REQUANT)


def unit_component(arch: Arch, unit: str) -> wiring.Component:
    """The synthesized design: the unit without its memory of parameters."""
    if unit == REQUANT:
        return RequantUnit(arch, outside=True)
    return ThresholdUnit(arch, outside=True)


def play_output(model: LaneModel, arch: Arch, stream: OutputStream) -> Switching:
    """Run the whole stream, up to 64 parts of it at a time; the codes must be the golden ones.

    Each part begins with the group before it, uncounted, so that the unit is in motion.
    """
    lists = shares(len(stream.accs))
    return play_parts(
        model,
        [[np.arange(begin - 1, end) for begin, end in ranges] for ranges in lists],  # -1: the last
        lambda groups: _stimulus(arch, model.netlist, stream, groups),
        lambda groups, bits: _check(stream, groups, bits),
        WATCH,
    )


def _stimulus(
    arch: Arch, netlist: Netlist, stream: OutputStream, groups: npt.NDArray[np.int64]
) -> Stimulus:
    """Reset, then groups and the cycles between them, of which all but the first's count."""
    group, period = stream.accs.shape[1], stream.accs.shape[1] + stream.idle
    cycle = np.arange(len(groups) * period)
    place = np.minimum(cycle % period, group - 1)  # the drain keeps its last sum
    number = groups[cycle // period]
    taken = cycle % period < group
    begin, tail = RESET_ROWS, output_latency(arch, requant=stream.unit == REQUANT) + IDLE_ROWS
    rows = begin + len(cycle) + tail
    ports: dict[str, Bits] = {
        name: np.zeros((rows, len(nets)), np.uint8) for name, nets in netlist.inputs.items()
    }
    ports["rst"][:RESET_ROWS] = 1
    ports["codes_ready"][:] = 1
    live = slice(begin, begin + len(cycle))
    ports["accs_valid"][live, 0] = taken
    channels = stream.channels[number, place]
    fields = {
        "acc": field_bits(stream.accs[number, place], arch.acc_width),
        # no row is requested for it
        "channel": field_bits((channels + ~taken) % arch.channels, arch.channel_width),
    }
    ports["accs_payload"][live] = placed(acc_layout(arch), fields, len(cycle))
    # a row is there a cycle after its channel, and stays
    ports["row"][begin + 1 : begin + 1 + len(cycle)] = _row_bits(arch, stream)[channels]
    ports["row"][begin + 1 + len(cycle) :] = ports["row"][begin + len(cycle)]
    if stream.unit == REQUANT:
        _configure(arch, stream, ports)
        ports["skips_valid"][live, 0] = taken
        width = arch.requant.skip_width
        ports["skips_payload"][live] = field_bits(stream.skips[number, place], width)
    flags = np.full(rows, RECORD, np.uint32)
    flags[begin + period : begin + len(cycle)] |= COUNT
    flags[begin + period - 1] |= FOLLOWED
    return Stimulus(ports=ports, flags=flags)


def _configure(arch: Arch, stream: OutputStream, ports: Mapping[str, Bits]) -> None:
    """Configuration of the layer."""
    widths = {
        "shift": shift_width(arch),
        "skip_multiplier": arch.requant.skip_multiplier_width,
        "out_min": arch.out_width,
        "out_max": arch.out_width,
    }
    for name, width in widths.items():
        ports[name][:] = field_bits(np.array([stream.config[name]]), width)
    ports["use_skip"][:] = stream.config["skip"]


def _row_bits(arch: Arch, stream: OutputStream) -> Bits:
    """(channels, width) bits of the parameters."""
    words = stream.rows
    if stream.unit == REQUANT:
        layout = row_layout(requant_layout(arch))
        widths = arch.requant.multiplier_width, arch.requant.bias_width
        fields = {
            name: field_bits(np.array([word[name] for word in words], np.int64), width)
            for name, width in zip(("multiplier", "bias"), widths, strict=True)
        }
    else:
        layout = row_layout(threshold_layout(arch))
        tau = np.array([word["tau"] for word in words], np.int64)
        negative = np.array([word["negative"] for word in words], np.int64)
        fields = {
            "negative": field_bits(negative, 1),
            "tau": field_bits(tau, arch.tau_width).reshape(len(words), -1),
        }
    return placed(layout, fields, len(words))


def _check(stream: OutputStream, groups: npt.NDArray[np.int64], records: Bits) -> None:
    """Refuse codes that are not the golden ones."""
    wanted, used = stream.codes[groups].ravel(), stream.used[groups].ravel()
    found: Any = records.astype(np.int64) @ (1 << np.arange(records.shape[1]))
    if stream.unit == REQUANT:
        found = twos_complement(found, records.shape[1])
    if len(found) != len(wanted) or (found != wanted)[used].any():
        where = int(np.argmax((found != wanted) & used)) if len(found) == len(wanted) else -1
        raise SimulationError(
            f"Layer {stream.layer!r}: codes of the {stream.unit} unit's gates must be the golden "
            f"ones, not differ at {where} of {len(wanted)} ({len(found)} codes)"
        )
