"""Operand streams of an array that holds weights: groups of pixels in the order of its schedule.

For each word of a block (kernel row, kernel column, channel block) all pixels of a group pass,
then comes the next word; the next group of the block begins with the first word again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cosim.layer.streams import layer_stream
from ...rtl.arch.arch import Arch
from ...rtl.lanes.held_toggles import HELD_TOGGLES, group_toggles
from ...rtl.layouts.words import Word
from ...rtl.networks.plans import Plan
from ...rtl.planning.fold import stored_image
from ...rtl.planning.passes import held_plan
from ...rtl.timing.grouping import grouping
from ...rtl.timing.schedule import Schedule, layer_schedule
from ...rtl.timing.tables import codebook_of, stored_width
from ...spec.errors import InputError
from ...spec.formats import twos_complement
from ...spec.layers import MacLayer
from ...spec.program import INPUT, Program
from ..play.lanes import LANES
from .streams import RANDOM, REAL, Codes

SOME = 4
"""One of so many groups is played by its first pixel alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldGroup:
    """A group of a block and the one before it, which is played first and not counted."""

    activations: Codes
    """(2, depth, pixels, rows)"""
    fields: Codes
    """(depth, cols, rows) fields of the block's words: codes, or levels as two's complement."""
    used: int
    """Columns with an output channel."""

    @property
    def pixels(self) -> int:
        return int(self.activations.shape[2])


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldStream:
    """Groups of one layer."""

    layer: str
    operands: str
    """`real` or `random`."""
    groups: tuple[HeldGroup, ...]
    macs: int
    """Products of the layer, without lanes that it does not fill."""
    act_width: int
    weight_bits: int
    """Bits of a stored weight of this layer: of a code, or of a level."""
    level_width: int
    """Of a field that is a level."""
    codebook: list[Word]
    """Empty: fields are levels."""
    bypass: int
    work: Schedule

    def __len__(self) -> int:
        """Beats."""
        return sum(int(np.prod(group.activations.shape[1:3])) for group in self.groups)


def held_recorded(
    arch: Arch,
    program: Program,
    name: str,
    tensors: Mapping[str, npt.NDArray[Any]],
    *,
    image: int = 0,
    most_beats: int | None = None,
) -> HeldStream:
    """Groups of layer `name` for one image of `tensors` (name -> codes (N, C, H, W)).

    most_beats: groups from all over the layer with up to so many beats; None: all groups.
    """
    asked = program.layer(name)
    if not isinstance(asked, MacLayer):
        raise InputError(f"Layer {name!r} must have weights to be streamed, not be {asked.kind}")
    if asked.groups > 1:
        raise InputError(
            f"Layer {name!r} must have 1 group of channels to be streamed to an array that holds "
            f"weights, not {asked.groups}"
        )
    planned = _planned(arch, program)
    stored = {n: np.asarray(codes, np.int64) for n, codes in tensors.items()}
    for tensor, offset in planned.offsets.items():
        if tensor in stored:
            stored[tensor] = stored[tensor] + offset
    stored[INPUT] = stored_image(planned, np.asarray(tensors[INPUT]))
    layer = planned.program.layer(name)
    assert isinstance(layer, MacLayer)
    stream = layer_stream(arch, planned.program, name, stored, image)
    outputs, depth = layer.out_channels, stream.depth
    blocks = -(-outputs // arch.cols)
    pixels = len(stream.groups) // blocks
    acts = np.asarray(stream.inputs, np.int64).reshape(pixels, depth, arch.rows)
    fields = np.asarray(stream.weights, np.int64).reshape(blocks, depth, arch.cols, arch.rows)
    groups = []
    for block, before, begin, size in _chosen(arch, pixels, blocks, depth, most_beats):
        pair = np.stack([acts[start : start + size] for start in (before, begin)])
        groups.append(
            HeldGroup(
                activations=pair.transpose(0, 2, 1, 3),
                fields=fields[block],
                used=min(arch.cols, outputs - block * arch.cols),
            )
        )
    coded = codebook_of(arch, layer) is not None
    terms = asked.weights[0].size  # of one sum: input channels x kernel
    return HeldStream(
        layer=name,
        operands=REAL,
        groups=tuple(groups),
        macs=sum(group.pixels * group.used for group in groups) * terms,
        act_width=planned.program.tensor_format(layer.input).width,
        weight_bits=stored_width(arch, layer),
        level_width=arch.level_width,
        codebook=stream.codebook_words if coded else [],
        bypass=int(not coded),
        work=layer_schedule(arch, planned.program, layer),
    )


@lru_cache(maxsize=2)
def _planned(arch: Arch, program: Program) -> Plan:
    """Layer after layer of one program is recorded."""
    return held_plan(arch, program)


def held_random_twin(stream: HeldStream, seed: int) -> HeldStream:
    """The same beats with uniform random operands in every lane, all of which count as MACs."""
    rng = np.random.default_rng(seed)
    groups, macs = [], 0
    for group in stream.groups:
        fields = rng.integers(0, 1 << stream.weight_bits, group.fields.shape)
        if not stream.codebook:  # levels fill the field with their sign
            fields = twos_complement(fields, stream.weight_bits) & ((1 << stream.level_width) - 1)
        acts = rng.integers(0, 1 << stream.act_width, group.activations.shape)
        cols = group.fields.shape[1]
        groups.append(HeldGroup(activations=acts, fields=fields, used=cols))
        macs += fields.size * group.pixels
    return replace(stream, operands=RANDOM, groups=tuple(groups), macs=macs)


def alone(stream: HeldStream) -> HeldStream:
    """The first pixel of some groups, each as a group: words wait for the station."""
    some = stream.groups[: max(1, len(stream.groups) // SOME)][:LANES]
    groups = tuple(
        replace(group, activations=np.ascontiguousarray(group.activations[:, :, :1]))
        for group in some
    )
    whole = sum(group.pixels * group.used for group in stream.groups)
    macs = stream.macs * sum(group.used for group in groups) // whole
    return replace(stream, groups=groups, macs=macs)


def held_toggles(arch: Arch, stream: HeldStream) -> dict[str, float]:
    """The numbers of `HELD_TOGGLES` for the whole stream, all lanes together."""
    found = dict.fromkeys(HELD_TOGGLES, 0.0)
    for group in stream.groups:
        bits = group_toggles(arch, stream, group.activations, group.fields)
        found = {name: found[name] + bits[name] for name in HELD_TOGGLES}
    return found


def _chosen(
    arch: Arch, pixels: int, blocks: int, depth: int, most_beats: int | None
) -> list[tuple[int, int, int, int]]:
    """(block, first pixel of the group before, first pixel of the group, its pixels).

    The group before is one of the same size, so that all groups of a size take equally long: of
    the first group of a size it is the last one.
    """
    found, start = [], 0
    for size, count in grouping(pixels, arch.hold).sizes:
        for block in range(blocks):
            for number in range(count):
                before = (number - 1) % count
                found.append((block, start + before * size, start + number * size, size))
        start += size * count
    beats = sum(entry[3] for entry in found) * depth
    if most_beats is None or beats <= most_beats:
        return found
    wanted = max(1, len(found) * most_beats // beats)
    edges = (np.arange(wanted + 1) * len(found)) // wanted
    places = np.random.default_rng(len(found)).integers(edges[:-1], edges[1:])
    return [found[place] for place in places.tolist()]
