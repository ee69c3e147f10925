"""Weights and output stages in the forms that the kernels read (`dot.py`, `stages.py`)."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ...spec.activation import Threshold
from ...spec.host.limits import demand
from ...spec.layers import Skip
from ...spec.requant import Requant
from ..kernels import dot
from ..kernels.convolve import DEPTHWISE
from ..kernels.op import Stage
from ..kernels.simd import Avx2, Portable, Tag
from ..kernels.stages import RUN
from .layout import Constants, Place

Ints = npt.NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)
_S16, _S32 = np.iinfo(np.int16), np.iinfo(np.int32)


def choose_form(tag: Tag, levels: Ints, source: Place, highest: int) -> int:
    """The fastest form that is exact for these levels and stored codes 0..highest."""
    if source.element == 4:
        return dot.WIDE
    if levels.min() < -128 or levels.max() > 127 or isinstance(tag, Portable):
        return dot.WORDS
    largest = max(-int(levels.min()), int(levels.max()))
    if isinstance(tag, Avx2) and 2 * highest * largest > _S16.max:
        return dot.WORDS  # vpmaddubsw would saturate
    return dot.BYTES


def units_together(packed: npt.NDArray[np.generic], segments: int, highest: int) -> int:
    """Consecutive units whose products fit a 16-bit sum, whatever the codes 0..highest are.

    packed: BYTES weights (panels, units, lanes, 4). Bounds are those of the actual weights.
    """
    panels, units, lanes, _ = packed.shape
    pairs = packed.astype(np.int64).reshape(panels, segments, -1, lanes, 2, 2)
    bounds = np.stack([np.maximum(pairs, 0).sum(axis=-1), np.maximum(-pairs, 0).sum(axis=-1)])
    count = units // segments
    for parts in range(1, count + 1):
        size = -(-count // parts)
        starts = np.arange(0, count, size)
        if np.add.reduceat(bounds, starts, axis=3).max() * highest <= _S16.max:
            return size
    return 1


def panels_of(channels: int) -> tuple[int, int]:
    """(vectors, panels): output channels in panels of 16 or 32, the smaller padding first."""
    sixteens = (channels + 15) // 16
    if sixteens == 1 or sixteens == 3:
        return 1, sixteens
    return 2, (sixteens + 1) // 2


def pack_weights(
    tag: Tag, form: int, levels: Ints, piece_channels: int, vectors: int
) -> npt.NDArray[np.generic]:
    """(panels, ...) weights from levels (O, C, kh, kw); codes of a pixel: `piece_channels`."""
    outs, channels, kernel_h, kernel_w = levels.shape
    lanes = 16 * vectors
    panels = -(-outs // lanes)
    size = panels * lanes * kernel_h * kernel_w * piece_channels
    demand(3 * 8 * size, "Weights of a layer, packed for the numba engine,")
    padded = np.zeros((panels * lanes, kernel_h, kernel_w, piece_channels), np.int64)
    padded[:outs, :, :, :channels] = levels.transpose(0, 2, 3, 1)
    if form == DEPTHWISE:
        taps = padded[..., 0].reshape(panels, lanes, -1)
        return taps.transpose(0, 2, 1).astype(np.int16)
    flat = padded.reshape(panels, lanes, -1)
    if form == dot.WIDE:
        return flat.transpose(0, 2, 1).astype(np.int32)
    units = flat.reshape(panels, lanes, -1, 4)
    if form == dot.BYTES:
        return units.transpose(0, 2, 1, 3).astype(np.int8)
    registers = units.reshape(panels, lanes // tag.lanes, tag.lanes, -1, 2, 2)
    # axes: panel, register, lane, unit, pair, parity -> codes (0, 2) then (1, 3) per register
    return registers.transpose(0, 3, 1, 5, 2, 4).astype(np.int16)


def per_lane(values: npt.NDArray[Scalar], vectors: int) -> npt.NDArray[Scalar]:
    """(panels, 32, ...) parameters of each lane of a run from (channels, ...), zero-filled."""
    lanes = 16 * vectors
    panels = -(-len(values) // lanes)
    full = np.zeros((panels * lanes, *values.shape[1:]), values.dtype)
    full[: len(values)] = values
    shaped = full.reshape(panels, lanes, *values.shape[1:])
    return np.concatenate([shaped] * (RUN // lanes), axis=1)


def threshold_fields(
    constants: Constants, stage: Threshold, bounds: tuple[int, int], channels: slice, vectors: int
) -> tuple[dict[str, int], Ints]:
    """Fields of a step and (channels,) numbers to subtract from the sums.

    bounds: of the sums, for which `fits_threshold` is true.
    """
    low, high = bounds
    size = channels.stop - channels.start
    tau, sign = _rows(stage.tau, channels), _rows(stage.sign, channels)
    # sign -1: #{-acc >= tau} = L - #{acc >= 1 - tau}, and L - count = count xor L (L = 2^w - 1)
    limits = np.clip(np.where(sign[:, None] < 0, 1 - tau, tau), low, high + 1)
    flip = np.where(sign < 0, tau.shape[1], 0).astype(np.uint8)
    limits.sort(axis=1)  # the kernel may search them
    spread = limits.max(axis=1) - limits.min(axis=1)
    if spread.max() <= 2 * _S16.max and high - low < _S32.max:
        middle = (limits.max(axis=1) + limits.min(axis=1)) // 2
        kind, chosen = "int16", Stage.THRESHOLD_16
    else:
        middle = np.full(size, 0 if high < _S32.max else 1)  # `fits_threshold` holds
        kind, chosen = "int32", Stage.THRESHOLD_32
    rows = per_lane((limits - middle[:, None]).astype(kind), vectors).transpose(0, 2, 1)
    fields = {
        "stage": chosen,
        "levels": tau.shape[1],
        "tau": constants.add(rows),
        "flip": constants.add(per_lane(flip, vectors)),
    }
    return fields, middle


def fits_threshold(bounds: tuple[int, int]) -> bool:
    """True when int32 has a value beside these sums: the limit of a threshold never reached."""
    low, high = bounds
    return high < _S32.max or low > _S32.min


def requant_fields(
    constants: Constants, stage: Requant, channels: slice, vectors: int, target: Place
) -> dict[str, int]:
    """Fields of a step that requantizes output channels `channels` into `target`."""
    half = (1 << stage.shift) >> 1
    # stored = saturate(v) - low = saturate to 0..high - low of v - low, and a shifted low commutes
    shifted = half - (target.low << stage.shift)
    multiplier = per_lane(_rows(stage.multiplier, channels).astype(np.int32), vectors)
    return {
        "stage": Stage.REQUANT_BYTES if target.element == 1 else Stage.REQUANT_WORDS,
        "multiplier": constants.add(multiplier),
        "bias": constants.add(per_lane(_rows(stage.bias, channels) + shifted, vectors)),
        "shift": stage.shift,
        "low": stage.out.min - target.low,
        "high": stage.out.max - target.low,
        "skip_multiplier": stage.skip_multiplier,
    }


def skip_fields(skip: Skip, place: Place, first: int = 0) -> dict[str, int]:
    """Fields of a step that adds a residual stored at `place`; first: its first output channel."""
    return {
        "has_skip": 1,
        "skip_row": skip.stride * place.row,
        "skip_pixel": skip.stride * place.pixel,
        "skip_element": place.element,
        "skip_first": skip.channel_offset - first,
        "skip_channels": place.shape[0],
        "skip_offset": place.low,
    }


def _rows(values: Ints, channels: slice) -> Ints:
    """Rows of `channels`; a single row is shared by all."""
    if len(values) == 1:
        return np.repeat(values, channels.stop - channels.start, axis=0)
    return values[channels]


def read_table(stage: Threshold, source: Place, highest: int) -> npt.NDArray[np.uint8]:
    """(1 or C, 256) codes of each stored byte; bytes above `highest` do not occur."""
    stored = np.minimum(np.arange(256), highest) + source.low
    codes = stage.apply(np.broadcast_to(stored, (1, stage.channels, 256)))
    return codes[0].astype(np.uint8)


def count_rows(table: npt.NDArray[np.uint8], sign: int, levels: int) -> npt.NDArray[np.uint8]:
    """(n, 64) bytes: thresholds that stored codes reach, for a shared table."""
    rising = table if sign > 0 else levels - table
    firsts = np.searchsorted(rising, np.arange(1, int(rising.max()) + 1))
    return np.repeat(firsts.astype(np.uint8)[:, None], 64, axis=1)
