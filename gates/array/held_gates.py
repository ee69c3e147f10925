"""An array that holds weights at gate level: groups as port bits, its sums against the golden ones.

The accumulator memories are flip-flops with multiplexers, which is what yosys makes of them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from ...rtl.arch.arch import Arch
from ...rtl.array.held_array import HeldArray
from ...rtl.lanes.lane_array import COLUMN_MODULE
from ...rtl.lanes.toggles import levels_of
from ...rtl.layouts.held import fields_layout, held_beat_layout
from ...rtl.layouts.hexfile import field_bits
from ...rtl.timing.held_timing import held_array_latency
from ...spec.errors import SimulationError
from ...spec.formats import twos_complement
from ..netlist.netlist import Netlist
from ..play.lanes import LANES, LaneModel, play_parts
from ..play.simulation import COUNT, FOLLOWED, RECORD, Bits, Stimulus, Switching, Watch
from .array_gates import IDLE_ROWS, RESET_ROWS, codebook_bits, placed, work_bits
from .held_streams import HeldGroup, HeldStream

WATCH = Watch(valid="groups_valid", record="accs")


def held_component(arch: Arch) -> HeldArray:
    """The synthesized design: station, banks, control and codebook, and `cols` times its column."""
    return HeldArray(arch, instances=True)


def held_parts(arch: Arch) -> dict[str, wiring.Component]:
    """The modules that `held_component` instantiates, by name."""
    return {COLUMN_MODULE: arch.lanes.holding(arch)(arch)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Cycles of two groups of equal size, the second one counted; 0: the first word enters."""

    words: tuple[npt.NDArray[np.int64], ...]
    """By group, the cycle in which each word's first beat is taken."""
    beat_cycles: int
    period: int
    """From group to group, of the stream as it runs in the layer."""
    drains: tuple[int, int]
    """First cycle in which each group's sums are read."""
    drain_cycles: int
    """Of one slot: `out_lanes` sums per cycle."""
    rows: int


def group_times(arch: Arch, stream: HeldStream, pixels: int) -> Times:
    """A word takes max(its beats' cycles, fill + 1), a group no less than its sums' reading."""
    beat, depth = stream.work.beat_cycles, len(stream.groups[0].fields)
    word, drain = max(pixels * beat, arch.fill + 1), -(-arch.cols // arch.out_lanes)
    period = max(depth * word, pixels * drain)
    begins = arch.fill, arch.fill + period
    words = tuple(begin + word * np.arange(depth) for begin in begins)
    latency = held_array_latency(arch, stream.work)
    closes = [int(one[-1]) + (pixels - 1) * beat for one in words]
    drains = closes[0] + latency, closes[1] + latency
    return Times(
        words=words,
        beat_cycles=beat,
        period=period,
        drains=drains,
        drain_cycles=drain,
        rows=drains[1] + pixels * drain + IDLE_ROWS,
    )


def play_held(model: LaneModel, arch: Arch, stream: HeldStream, *, lanes: int = LANES) -> Switching:
    """Run the groups, up to `lanes` of a size side by side; the sums must be the golden ones."""
    sizes: dict[int, list[HeldGroup]] = {}
    for group in stream.groups:
        sizes.setdefault(group.pixels, []).append(group)
    lists = [
        members[at : at + lanes]
        for members in sizes.values()
        for at in range(0, len(members), lanes)
    ]
    return play_parts(
        model,
        lists,
        lambda group: held_stimulus(arch, model.netlist, stream, group),
        lambda group, bits: check_group(arch, stream, group, bits),
        WATCH,
    )


def check_group(arch: Arch, stream: HeldStream, group: HeldGroup, records: Bits) -> None:
    """Refuse recorded sums of both groups that are not the golden ones."""
    levels = levels_of(stream, group.fields)
    sums = np.einsum("gdpr,dcr->gpc", group.activations, levels).reshape(-1, arch.cols)
    wanted = twos_complement(sums, arch.acc_width)
    bits = records.astype(np.int64).reshape(len(records), arch.cols, -1)
    found = twos_complement(bits @ (1 << np.arange(arch.acc_width)), arch.acc_width)
    if found.shape != wanted.shape or not np.array_equal(found, wanted):
        same = found.shape == wanted.shape
        where = tuple(np.argwhere(found != wanted)[0].tolist()) if same else found.shape
        raise SimulationError(
            f"Layer {stream.layer!r}, {stream.operands} operands: sums of the gate netlist must "
            f"be the golden ones, not differ at {where} (of {wanted.shape})"
        )


def held_stimulus(arch: Arch, netlist: Netlist, stream: HeldStream, group: HeldGroup) -> Stimulus:
    """Reset, codebook, configuration, both groups, and the reading of their sums.

    Beats and fields are offered in the very cycles in which the array takes them, so that another
    pace gives other sums. The period of the second group is counted: its beats, the reading of the
    first group's sums, and the first word of a next group on its way into the station.
    """
    times, pixels, book = group_times(arch, stream, group.pixels), group.pixels, stream.codebook
    begin = RESET_ROWS + len(book) + IDLE_ROWS + arch.lanes.build_cycles(arch)
    rows = begin + times.rows
    ports = {n: np.zeros((rows, len(nets)), np.uint8) for n, nets in netlist.inputs.items()}
    flags = np.zeros(rows, np.uint32)
    counted = begin + int(times.words[1][0])
    flags[counted - 1] |= FOLLOWED
    flags[counted : counted + times.period] |= COUNT
    ports["rst"][:RESET_ROWS] = 1
    ports["bypass"][:] = stream.bypass
    if book:
        loads = slice(RESET_ROWS, RESET_ROWS + len(book))
        ports["codebook_valid"][loads] = 1
        ports["codebook_payload"][loads] = codebook_bits(arch, book)
    if not arch.lanes.single_cycle:
        ports["work"][:] = work_bits(arch, stream.work)
        ports["configured"][RESET_ROWS + len(book) + 1] = 1
    _beats(arch, ports, group, times, begin)
    _fields(arch, ports, group, times, begin)
    for start in times.drains:
        for slot in range(pixels):
            at = begin + start + slot * times.drain_cycles
            flags[at] |= RECORD
            read = slice(at, at + times.drain_cycles)
            ports["slot"][read] = field_bits(np.array([slot]), ports["slot"].shape[1])
        ports["groups_ready"][begin + start + pixels * times.drain_cycles - 1] = 1
    return Stimulus(ports=ports, flags=flags)


def _beats(arch: Arch, ports: dict[str, Bits], group: HeldGroup, times: Times, begin: int) -> None:
    """A beat stands on the port from the cycle after the one before it was taken."""
    _, depth, pixels, rows = group.activations.shape
    number, word, slot = (x.ravel() for x in np.indices((2, depth, pixels)))
    opens, closes = (word == 0) & (slot == 0), (word == depth - 1) & (slot == pixels - 1)
    flags = {
        "word": slot == 0, "first": word == 0, "last": word == depth - 1,
        "opens": opens, "closes": closes,
    }  # fmt: skip
    fields = {"activations": field_bits(group.activations.reshape(-1, rows), arch.act_width)}
    layout = held_beat_layout(arch)
    fields["slot"] = field_bits(slot, layout["slot"].width)
    fields |= {name: field_bits(value.astype(np.int64), 1) for name, value in flags.items()}
    bits = placed(layout, fields, len(slot))
    taken = begin + np.stack(times.words)[number, word] + slot * times.beat_cycles
    _offer(ports, "beats", bits, taken)


def _fields(arch: Arch, ports: dict[str, Bits], group: HeldGroup, times: Times, begin: int) -> None:
    """The words of both groups, and the first one of a next group, as early as they can enter."""
    depth, cols, rows = group.fields.shape
    enters = np.concatenate([[0], np.concatenate(times.words) + 1])  # the word before is taken
    words = np.arange(2 * depth + 1) % depth
    position = np.tile(np.arange(arch.fill), len(words))
    layout = fields_layout(arch)
    by_port = group.fields[words].reshape(len(words) * arch.fill, cols // arch.fill * rows)
    fields = {
        "position": field_bits(position, layout["position"].width),
        "fields": field_bits(by_port, arch.field_width),
    }
    bits = placed(layout, fields, len(position))
    _offer(ports, "fields", bits, begin + np.repeat(enters, arch.fill) + position)


def _offer(ports: dict[str, Bits], name: str, bits: Bits, taken: npt.NDArray[np.int64]) -> None:
    """Each payload is valid in the cycle in which it is taken and stands on the port before."""
    rows = len(ports[f"{name}_valid"])
    following = np.searchsorted(taken, np.arange(rows))
    ports[f"{name}_payload"][:] = bits[np.minimum(following, len(taken) - 1)]
    ports[f"{name}_valid"][taken] = 1
