"""Streams of the output stage: a layer's sums or codes in the engine's order and timing.

A group of `cols` sums leaves the drain in as many cycles and the next one comes when the array has
it, so the units wait in between, clocked. Codes of layers without weights come every cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from ...cosim.layer.streams import layer_stream
from ...rtl.arch.arch import Arch
from ...rtl.layouts.words import Word
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.timing.cycles import streamed
from ...spec import golden
from ...spec.activation import Threshold
from ...spec.program import Program
from ...spec.requant import Requant

Codes = npt.NDArray[np.int64]
THRESHOLD, REQUANT = "threshold", "requant"


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputStream:
    """G groups of `group` accs, each followed by `idle` cycles; all arrays are (G, group)."""

    layer: str
    unit: str
    """`threshold` or `requant`."""
    accs: Codes
    channels: Codes
    skips: Codes
    """Residual codes; 0 without one."""
    codes: Codes
    """The answers where `used`: golden's, with the offset that they have on the array."""
    used: npt.NDArray[np.bool_]
    """Without the sums of idle columns, which are not read."""
    idle: int
    rows: list[Word]
    """Parameters by channel."""
    config: Word

    @property
    def cycles(self) -> int:
        """Of the whole layer."""
        return len(self.accs) * (self.accs.shape[1] + self.idle)


def output_unit(program: Program, name: str) -> str | None:
    """The unit that ends layer `name`; None for one that leaves codes as they are."""
    output = program.layer(name).output
    match output:
        case Requant():
            return REQUANT
        case Threshold():
            return THRESHOLD
        case None:
            return None
        case _:
            assert_never(output)


def output_stream(
    arch: Arch,
    program: Program,
    name: str,
    tensors: Mapping[str, npt.NDArray[Any]],
    *,
    image: int = 0,
    direct_group: int = 16,
) -> OutputStream:
    """The layer's whole stream for one image of `tensors` (name -> codes (N, C, H, W)).

    direct_group: codes without an array between them are cut into groups of up to so many.
    """
    stream = layer_stream(arch, program, name, dict(tensors), image)
    runs, offsets = as_unsigned(program)
    layer = streamed(runs.layer(name))
    source = np.asarray(tensors[layer.input][image : image + 1], np.int64)
    source = source + offsets.get(layer.input, 0)
    accs = source if stream.direct else golden.accumulate(layer, source)
    channels, pixels = accs.shape[1], accs[0, 0].size
    used = stream.positions >= 0
    places = np.where(used, stream.positions, 0)
    # idle columns are drained like the others: a sum of no products, some channel's row
    values = np.where(used, accs.ravel()[places], 0)
    owner = np.where(used, places // pixels, np.arange(len(places)) % channels)
    skips = stream.skips if len(stream.skips) else np.zeros_like(values)
    group = arch.cols
    if stream.direct:
        group = next(n for n in range(direct_group, 0, -1) if len(values) % n == 0)
    shape = -1, group
    codes = np.asarray(tensors[name][image], np.int64) + stream.offset
    return OutputStream(
        layer=name,
        unit=str(output_unit(program, name)),
        accs=values.reshape(shape),
        channels=owner.reshape(shape),
        skips=skips.reshape(shape),
        codes=codes.ravel()[places].reshape(shape),
        used=used.reshape(shape),
        idle=0 if stream.direct else max(0, stream.depth - arch.cols),
        rows=stream.output_words
        if len(stream.output_words) > 1
        else stream.output_words * channels,
        config=stream.config,
    )
