"""Memory image: every row that the load port writes before a network can start."""

from collections.abc import Iterator

import numpy as np

from ...spec.layers import MacLayer
from ...spec.requant import Requant
from ..accelerator.ports import Target, descriptor_layout, load_layout
from ..arch.arch import Arch
from ..layouts.descriptor import with_row_numbers
from ..layouts.payloads import requant_layout, threshold_layout
from ..layouts.words import requant_words, threshold_words
from ..networks.plans import Plan
from ..planning.image import held_parameters, jobs_of, pass_planes
from ..timing.tables import codebook_of, has_rows, output_of

Row = tuple[int, int, int]
"""(target, row, data)."""


def memory_image(arch: Arch, plan: Plan) -> list[Row]:
    """All rows, memory by memory."""
    if not arch.holds:
        arch = with_row_numbers(arch)
    streamed = frozenset[int]() if plan.outside is None else plan.outside.streamed
    rows = [
        *_passes(arch, plan),
        *_codebooks(arch, plan),
        *(held_parameters(arch, plan) if arch.holds else _parameters(arch, plan)),
        *_padding(arch, plan),
        *(() if Target.WEIGHTS in streamed else _weights(arch, plan)),
        *(() if plan.outside is None else jobs_of(arch, plan)),
    ]
    return [row for row in rows if row[0] not in streamed]


def image_lines(arch: Arch, rows: list[Row]) -> str:
    """The rows as `$readmemh` lines of `load_layout`."""
    layout = load_layout(arch)
    row_at, data_at = layout["row"].offset, layout["data"].offset
    digits = -(-layout.size // 4)
    return "".join(
        f"{target | row << row_at | data << data_at:0{digits}x}\n" for target, row, data in rows
    )


def _passes(arch: Arch, plan: Plan) -> Iterator[Row]:
    layout = descriptor_layout(arch)
    address = (1 << layout["feed"].shape["start"].width) - 1
    for number, entry in enumerate(plan.passes):
        word = dict(entry.word)
        if word["feed"]:
            word["feed"] = {**word["feed"], "start": word["feed"]["start"] & address}
        yield Target.PASSES, number, layout.const(word).as_bits()


def _codebooks(arch: Arch, plan: Plan) -> Iterator[Row]:
    mask = (1 << arch.level_width) - 1
    for layer in plan.program.layers:
        book = codebook_of(arch, layer)
        if book is not None:
            base = plan.tables.codebooks[layer.name]
            for code, level in enumerate(book.levels):
                yield Target.CODEBOOKS, base + code, level & mask


def _parameters(arch: Arch, plan: Plan) -> Iterator[Row]:
    for layer in plan.program.layers:
        if not has_rows(plan.program, layer):
            continue
        output, base = output_of(layer), plan.tables.parameters[layer.name]
        if isinstance(output, Requant):
            words, layout = requant_words(arch, output, output.channels), requant_layout(arch)
            target = Target.REQUANTS
        else:
            words, layout = threshold_words(arch, output, output.channels), threshold_layout(arch)
            target = Target.THRESHOLDS
        for word in words:
            row = base + word["channel"]
            bits = layout.const(word | {"channel": 0}).as_bits() >> arch.channel_width
            yield target, row, bits


def _padding(arch: Arch, plan: Plan) -> Iterator[Row]:
    """Words of padding codes, in both banks."""
    width = arch.storage.code_width
    for name, region in plan.placement.pads.items():
        layer = plan.program.layer(name)
        assert isinstance(layer, MacLayer)
        assert layer.pad_codes is not None
        codes = np.zeros(region.words * arch.rows, np.int64)
        codes[: layer.in_channels] = layer.pad_codes
        for word, lanes in enumerate(codes.reshape(region.words, arch.rows).tolist()):
            bits = sum(code << lane * width for lane, code in enumerate(lanes))
            for bank in (0, 1):
                yield Target.ACTIVATIONS + bank, region.base + word, bits


def _weights(arch: Arch, plan: Plan) -> Iterator[Row]:
    """Bit planes, plane p in row p // banks of bank p mod banks."""
    banks = arch.plane_banks
    done: set[int] = set()
    for entry in plan.passes:
        if entry.fields is None or id(entry.fields) in done:
            continue
        done.add(id(entry.fields))
        for plane, packed in enumerate(pass_planes(arch, entry), entry.word["feed"]["planes"]):
            value = int.from_bytes(packed.tobytes(), "little")
            yield Target.WEIGHTS + plane % banks, plane // banks, value
