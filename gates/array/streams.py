"""Operand streams of a lane array: a layer's beats in the engine's order.

`recorded` takes the beats of a real layer from a program and an image; `random_twin` replaces every
activation and weight field by uniform random ones and keeps length, framing and codebook.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cosim.layer.streams import layer_stream
from ...rtl.arch.arch import Arch
from ...rtl.lanes.toggles import field_levels
from ...rtl.layouts.words import Word
from ...rtl.timing.schedule import Schedule, layer_schedule
from ...rtl.timing.tables import codebook_of, stored_width
from ...spec.errors import InputError
from ...spec.formats import twos_complement
from ...spec.layers import MacLayer
from ...spec.program import Program
from ..play.lanes import shares

Codes = npt.NDArray[np.int64]

REAL, RANDOM = "real", "random"
WINDOWS = 64
"""A stream shorter than its layer is taken from up to so many places of it: one at random in each
of equal shares, because places evenly apart would always lie at the same columns of the map."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OperandStream:
    """N beats of one layer; sums end where `last`."""

    layer: str
    operands: str
    """`real` or `random`."""
    activations: Codes
    """(N, rows)"""
    weights: Codes
    """(N, cols, rows) fields: codes, or levels as two's complement."""
    channels: Codes
    """(N,) of column 0."""
    first: Codes
    last: Codes
    """(N,) 0 or 1."""
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
    warm: int = 0
    """Beats at the beginning that fill the pipeline and are not counted."""

    def __len__(self) -> int:
        return len(self.activations)


def recorded(
    arch: Arch,
    program: Program,
    name: str,
    tensors: Mapping[str, npt.NDArray[Any]],
    *,
    image: int = 0,
    most_beats: int | None = None,
) -> OperandStream:
    """Beats of layer `name` for one image of `tensors` (name -> codes (N, C, H, W)).

    most_beats: whole sums up to so many beats, from `WINDOWS` places of the layer; None: all.
    """
    layer = program.layer(name)
    if not isinstance(layer, MacLayer):
        raise InputError(f"Layer {name!r} must have weights to be streamed, not be {layer.kind}")
    stream = layer_stream(arch, program, name, dict(tensors), image)
    sums = _chosen(len(stream.groups), stream.depth, most_beats)
    groups = stream.groups[sums]
    steps = np.arange(stream.depth)
    words, fields = (groups[:, [i]] + steps for i in (0, 1))
    framed = np.broadcast_to(steps, words.shape).ravel()
    coded = codebook_of(arch, layer) is not None
    used = stream.positions.reshape(len(stream.groups), arch.cols)[sums] >= 0
    terms = layer.weights[0].size  # of one sum: input channels of a group x kernel
    return OperandStream(
        layer=name,
        operands=REAL,
        activations=np.asarray(stream.inputs, np.int64)[words.ravel()],
        weights=np.asarray(stream.weights, np.int64)[fields.ravel()],
        channels=np.repeat(groups[:, 2], stream.depth),
        first=(framed == 0).astype(np.int64),
        last=(framed == stream.depth - 1).astype(np.int64),
        macs=int(used.sum()) * terms,
        act_width=program.tensor_format(layer.input).width,
        weight_bits=stored_width(arch, layer),
        level_width=arch.level_width,
        codebook=stream.codebook_words if coded else [],
        bypass=int(not coded),
        work=layer_schedule(arch, program, layer),
    )


def random_twin(stream: OperandStream, seed: int) -> OperandStream:
    """The same beats with uniform random operands in every lane, all of which count as MACs."""
    rng = np.random.default_rng(seed)
    fields = rng.integers(0, 1 << stream.weight_bits, stream.weights.shape)
    if not stream.codebook:  # levels fill the field with their sign
        fields = twos_complement(fields, stream.weight_bits) & ((1 << stream.level_width) - 1)
    return replace(
        stream,
        operands=RANDOM,
        activations=rng.integers(0, 1 << stream.act_width, stream.activations.shape),
        weights=fields,
        macs=fields.size,
    )


def expected_sums(stream: OperandStream, acc_width: int) -> Codes:
    """(sums, cols) of signed `acc_width` bits: the golden answer, by matrix products."""
    products = np.einsum("ncr,nr->nc", field_levels(stream), stream.activations)
    ends = np.flatnonzero(stream.last)
    totals = np.cumsum(products, axis=0)[ends]
    return twos_complement(
        np.diff(totals, axis=0, prepend=np.zeros((1, totals.shape[1]), int)), acc_width
    )


def parts_of(stream: OperandStream, count: int) -> list[list[OperandStream]]:
    """The stream as up to `count` parts of equally many sums, then parts of one sum for the rest.

    Each begins with the sum before it as warm-up (the first with the last one), so that the parts'
    counted beats are together those of the stream. Parts of a list are equally long.
    """
    depth = int(np.flatnonzero(stream.last)[0]) + 1
    lists = shares(len(stream) // depth, count)
    return [[_part(stream, begin, end, depth) for begin, end in ranges] for ranges in lists]


def _part(stream: OperandStream, begin: int, end: int, depth: int) -> OperandStream:
    beats = np.arange((begin - 1) * depth, end * depth)  # a negative one counts from the end
    names = ("activations", "weights", "channels", "first", "last")
    return replace(stream, warm=depth, **{name: getattr(stream, name)[beats] for name in names})


def _chosen(sums: int, depth: int, most_beats: int | None) -> Codes:
    """Numbers of the sums to stream: all, or runs of neighbours evenly over the layer."""
    wanted = sums if most_beats is None else min(sums, max(1, most_beats // depth))
    if wanted == sums:
        return np.arange(sums)
    windows = max(1, min(WINDOWS, wanted // 2))
    lengths = np.full(windows, wanted // windows)
    lengths[: wanted % windows] += 1
    edges = (np.arange(windows + 1) * sums) // windows
    slack = edges[1:] - edges[:-1] - lengths
    starts = edges[:-1] + np.random.default_rng(sums).integers(0, slack + 1)
    return np.concatenate(
        [start + np.arange(length) for start, length in zip(starts, lengths, strict=True)]
    )
