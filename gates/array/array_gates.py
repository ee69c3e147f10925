"""A lane array at gate level: operand streams as port bits, its sums against the golden ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from ...rtl.arch.arch import Arch
from ...rtl.lanes.lane_array import COLUMN_MODULE, LaneArray
from ...rtl.layouts.hexfile import field_bits
from ...rtl.layouts.payloads import beat_layout, codebook_layout, sums_layout
from ...rtl.layouts.words import Word
from ...rtl.timing.schedule import Schedule, schedule_widths, schedule_word
from ...rtl.timing.timing import column_latency
from ...spec.errors import SimulationError
from ...spec.formats import twos_complement
from ..netlist.netlist import Netlist
from ..play.lanes import LANES, LaneModel, play_parts
from ..play.simulation import (
    COUNT,
    FOLLOWED,
    RECORD,
    UNTIL_READY,
    Bits,
    GateModel,
    Stimulus,
    Switching,
    Watch,
    play,
)
from .streams import OperandStream, expected_sums, parts_of

RESET_ROWS, IDLE_ROWS = 2, 4
WATCH = Watch(ready="beats_ready", valid="sums_valid", record="sums_payload")


def array_component(arch: Arch) -> LaneArray:
    """The synthesized design: the array with codebook and control, and `cols` times its column."""
    return LaneArray(arch, instances=True)


def array_parts(arch: Arch) -> dict[str, wiring.Component]:
    """The modules that `array_component` instantiates, by name."""
    return {COLUMN_MODULE: arch.lanes.column(arch)}


def play_stream(
    model: GateModel | LaneModel, arch: Arch, stream: OperandStream, *, lanes: int = LANES
) -> Switching:
    """Run the stream; the sums must be the golden ones, bit for bit.

    A `LaneModel` plays up to `lanes` parts of it side by side (1: the stream as it is).
    """
    if isinstance(model, GateModel):
        switching = play(model, array_stimulus(arch, model.netlist, stream), WATCH)
        check_sums(arch, stream, switching.records)
        return switching
    return play_parts(
        model,
        parts_of(stream, lanes) if lanes > 1 else [[stream]],
        lambda part: array_stimulus(arch, model.netlist, part),
        lambda part, bits: check_sums(arch, part, bits),
        WATCH,
    )


def check_sums(arch: Arch, stream: OperandStream, records: Bits) -> None:
    """Refuse recorded sums that are not the golden ones."""
    wanted = expected_sums(stream, arch.acc_width)
    found = recorded_sums(arch, records)
    if found.shape != wanted.shape or not np.array_equal(found, wanted):
        same = found.shape == wanted.shape
        where = tuple(np.argwhere(found != wanted)[0].tolist()) if same else found.shape
        raise SimulationError(
            f"Layer {stream.layer!r}, {stream.operands} operands: sums of the gate netlist must "
            f"be the golden ones, not differ at {where} (of {wanted.shape})"
        )


def array_stimulus(arch: Arch, netlist: Netlist, stream: OperandStream) -> Stimulus:
    """Reset, codebook, configuration, the counted beats, and idle rows until the last sum is out.

    Sums are taken at once: nothing stalls. Weights of the layer before are not in the codebook's
    registers: only the beats are counted, and they begin when the lanes' tables are built.
    """
    beats, book = len(stream), len(stream.codebook)
    drain = column_latency(arch, stream.work) + stream.work.final_cycles + IDLE_ROWS
    begin = RESET_ROWS + book + IDLE_ROWS + arch.lanes.build_cycles(arch)
    rows = begin + beats + drain
    ports = {n: np.zeros((rows, len(nets)), np.uint8) for n, nets in netlist.inputs.items()}
    flags = np.full(rows, RECORD, np.uint32)
    flags[begin : begin + beats] |= UNTIL_READY
    flags[begin + stream.warm : begin + beats] |= COUNT
    if stream.warm:
        flags[begin + stream.warm - 1] |= FOLLOWED
    ports["rst"][:RESET_ROWS] = 1
    ports["sums_ready"][:] = 1
    ports["bypass"][:] = stream.bypass
    if book:
        loads = slice(RESET_ROWS, RESET_ROWS + book)
        ports["codebook_valid"][loads] = 1
        ports["codebook_payload"][loads] = codebook_bits(arch, stream.codebook)
    if not arch.lanes.single_cycle:
        ports["work"][:] = work_bits(arch, stream.work)
        ports["configured"][RESET_ROWS + book + 1] = 1
    ports["beats_valid"][begin : begin + beats] = 1
    ports["beats_payload"][begin : begin + beats] = beat_bits(arch, stream)
    return Stimulus(ports=ports, flags=flags)


def beat_bits(arch: Arch, stream: OperandStream) -> Bits:
    """(N, width) bits of `beat_layout`."""
    layout = beat_layout(arch)
    fields = {
        "activations": field_bits(stream.activations, arch.act_width),
        "weights": field_bits(stream.weights, arch.field_width),
        "channel": field_bits(stream.channels, arch.channel_width),
        "first": field_bits(stream.first, 1),
        "last": field_bits(stream.last, 1),
    }
    return placed(layout, fields, len(stream))


def codebook_bits(arch: Arch, codebook: Sequence[Word]) -> Bits:
    """(entries, width) bits of `codebook_layout`."""
    words = np.array([[word["code"], word["level"]] for word in codebook], np.int64)
    fields = {
        "code": field_bits(words[:, 0], arch.weight_width),
        "level": field_bits(words[:, 1], arch.level_width),
    }
    return placed(codebook_layout(arch), fields, len(words))


def recorded_sums(arch: Arch, records: Bits) -> npt.NDArray[np.int64]:
    """(sums, cols) of the recorded `sums_layout` bits."""
    field = sums_layout(arch)["acc"]
    bits = records[:, field.offset : field.offset + field.width].astype(np.int64)
    bits = bits.reshape(len(records), arch.cols, arch.acc_width)
    return twos_complement(bits @ (1 << np.arange(arch.acc_width)), arch.acc_width)


def work_bits(arch: Arch, work: Schedule) -> Bits:
    """The schedule as the `work` port takes it: its fields in order, low bit first."""
    word = schedule_word(arch, work)
    parts = [
        field_bits(np.array([word[name]]), width) for name, width in schedule_widths(arch).items()
    ]
    return np.concatenate(parts, axis=1)


def placed(layout: Any, fields: Mapping[str, Bits], rows: int) -> Bits:
    """(rows, width) bits of a layout whose fields are given as bits."""
    bits = np.zeros((rows, layout.size), np.uint8)
    for name, values in fields.items():
        field = layout[name]
        bits[:, field.offset : field.offset + field.width] = values
    return bits
