"""The lookup-MAC's own order of arithmetic, for debugging RTL: slow, and the same bits.

A sum walks the array's beats: kernel position (ky, kx), then blocks of `rows` input channels, one
lane per channel (missing channels are lanes with weight code 0). What a lane does is the order:

decode         codebook, then multiplier
uniform        the multiplier alone, on stored levels
binned         activations are added into one bin per weight code; bins x levels at the end (PASM);
               levels without a codebook bit by bit: one bin per bit, the top one counts negative
bit_serial     per beat one activation bit per cycle, lowest first: level << bit; a sign bit
               subtracts
product_table  a table of level x activation digit of 4 bits, no multiplier; the digits' products
               are shifted to their places
shift_add      levels 0, +-2^s, +-C*2^s: shifted activations into one sum, those of the C-levels
               into another that C multiplies at the end; levels without a codebook bit by bit
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import faithful_kernels as kernels
import numpy as np
import numpy.typing as npt

from adqhw.sim.runner import as_numpy
from adqhw.spec.codebook import shift_factor
from adqhw.spec.engines import Keep, Result, as_logits, check_images, wanted
from adqhw.spec.errors import InputError
from adqhw.spec.footprint import demand_images
from adqhw.spec.formats import IntFormat
from adqhw.spec.golden import layer_output
from adqhw.spec.host.limits import demand
from adqhw.spec.layers import MacLayer, Skip
from adqhw.spec.program import INPUT, Program
from adqhw.spec.requant import Requant

ORDERS = ("decode", "uniform", "binned", "bit_serial", "product_table", "shift_add")
TABLE_SLICE = 4
"""Bits of an activation digit of the product table."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Beats:
    """One sum as the array makes it: codes, weights (beats, rows); acc (beats,) after each beat."""

    codes: Ints
    weights: Ints
    acc: Ints


def run(
    program: Program, images: Any, keep: Keep = (), *, order: str = "decode", rows: int = 16
) -> Result:
    """Logits (and kept tensors) of `images` (N, C, H, W) in the order of the hardware."""
    _check(order, rows)
    batch = check_images(program, as_numpy(images))
    names = wanted(program, keep)
    demand_images(program, len(batch), f"faithful ({order})")
    codes: dict[str, Ints] = {INPUT: batch.astype(np.int64)}
    for layer in program.layers:
        if isinstance(layer, MacLayer):
            fmt = program.tensors[layer.input].format
            acc = accumulate(layer, codes[layer.input], fmt, order=order, rows=rows)
            codes[layer.name] = _finish(layer, acc, codes)
        else:
            codes[layer.name] = layer_output(layer, codes)
    return Result(
        logits=as_logits(program, codes[program.layers[-1].name]),
        tensors={n: codes[n].astype(program.tensor_format(n).dtype) for n in sorted(names)},
    )


def accumulate(layer: MacLayer, source: Ints, fmt: IntFormat, *, order: str, rows: int) -> Ints:
    """Exact sums (N, O, H, W) of one layer; source (N, C, H, W) codes of format `fmt`."""
    (table, weights), plain = _coded(layer), layer.codebook is None
    n, _, _, _ = source.shape
    per_group, depth_c = layer.out_channels // layer.groups, layer.weights.shape[1]
    groups = []
    shape = (0, 0)
    for group in range(layer.groups):
        ins = slice(group * depth_c, (group + 1) * depth_c)
        outs = slice(group * per_group, (group + 1) * per_group)
        windows, shape = _windows(layer, source, ins, rows)
        arranged = _beat_order(weights[outs], rows)
        groups.append(_sums(windows, arranged, table, fmt, _Order(order, rows, plain)))
    acc = np.concatenate(groups, axis=1).reshape(n, *shape, layer.out_channels)
    return acc.transpose(0, 3, 1, 2)


def beats(
    program: Program, images: Any, layer_name: str, *, image: int = 0, y: int = 0, x: int = 0,
    channel: int = 0, order: str = "decode", rows: int = 16,
) -> Beats:  # fmt: skip
    """The beats of one sum of a layer: operands of each lane and the sum after each beat."""
    _check(order, rows)
    layer = program.layer(layer_name)
    if not isinstance(layer, MacLayer):
        raise InputError(f"Layer with beats must be a MAC layer, not {layer_name!r}")
    _, height, width = program.tensor_shape(layer_name)
    for what, value, end in (
        ("Row", y, height), ("Column", x, width), ("Channel", channel, layer.out_channels),
        ("Image", image, len(as_numpy(images))),
    ):  # fmt: skip
        if not 0 <= value < end:
            raise InputError(f"{what} must be in 0..{end - 1}, not {value}")
    one = as_numpy(images)[image : image + 1]
    tensors = {**run(program, one, "all", order=order, rows=rows).tensors, INPUT: one}
    table, weights = _coded(layer)
    depth_c = layer.weights.shape[1]
    group = channel // (layer.out_channels // layer.groups)
    source = tensors[layer.input].astype(np.int64)
    ins = slice(group * depth_c, (group + 1) * depth_c)
    windows, _ = _windows(layer, source, ins, rows)
    codes = windows[y * width + x].reshape(-1, rows)
    chosen = _beat_order(weights[channel : channel + 1], rows).reshape(-1, rows)
    fmt = program.tensors[layer.input].format
    walk = _Order(order, rows, layer.codebook is None)
    ends = [_sums(codes[: k + 1].reshape(1, -1), chosen[: k + 1].reshape(1, -1), table, fmt, walk)
            for k in range(len(codes))]  # fmt: skip
    return Beats(codes=codes, weights=chosen, acc=np.array(ends).reshape(-1))


def _check(order: str, rows: int) -> None:
    if order not in ORDERS:
        raise InputError(f"Order must be one of {', '.join(ORDERS)}, not {order!r}")
    if rows < 1:
        raise InputError(f"Rows must be at least 1, not {rows}")


def _coded(layer: MacLayer) -> tuple[Ints, Ints]:
    """(levels by code with code 0 = level 0, weight codes): levels get codes of their own."""
    if layer.codebook is not None:
        return np.array(layer.codebook.levels, np.int64), layer.weights.astype(np.int64)
    size = 1 << layer.weight_width
    patterns = np.arange(size)  # two's complement: pattern 0 is level 0
    levels = np.where(patterns >= size // 2, patterns - size, patterns)
    return levels, layer.levels % size


def _beat_order(weights: Ints, rows: int) -> Ints:
    """(O, depth) codes from (O, C, kh, kw): (ky, kx, channel), channels in whole blocks."""
    extra = -weights.shape[1] % rows
    padded = np.pad(weights, ((0, 0), (0, extra), (0, 0), (0, 0)))
    return np.ascontiguousarray(padded.transpose(0, 2, 3, 1).reshape(len(weights), -1))


def _windows(layer: MacLayer, source: Ints, ins: slice, rows: int) -> tuple[Ints, tuple[int, int]]:
    """(N * H * W, depth) codes in beat order, and (H, W)."""
    top, left, bottom, right = layer.padding
    n, _, height, width = source.shape
    chosen = source[:, ins]
    channels = -(-chosen.shape[1] // rows) * rows
    kernel_h, kernel_w = layer.kernel
    high, wide = top + height + bottom, left + width + right
    down, across = layer.stride
    pixels = ((high - kernel_h) // down + 1) * ((wide - kernel_w) // across + 1)
    size = 8 * n * channels * (high * wide + 2 * pixels * kernel_h * kernel_w)
    demand(size, f"Layer {layer.name!r} in beats of {rows} rows")
    padded = np.empty((n, chosen.shape[1], high, wide), np.int64)
    padded[:] = layer.pad_codes[ins].reshape(1, -1, 1, 1)
    padded[:, :, top : top + height, left : left + width] = chosen
    padded = np.pad(padded, ((0, 0), (0, -chosen.shape[1] % rows), (0, 0), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, layer.kernel, axis=(2, 3))
    views = views[:, :, ::down, ::across].transpose(0, 2, 3, 4, 5, 1)
    shape = (views.shape[1], views.shape[2])
    return np.ascontiguousarray(views.reshape(n * shape[0] * shape[1], -1)), shape


class _Order(NamedTuple):
    """How sums walk; plain: codes are the two's complement patterns of stored levels."""

    name: str
    rows: int
    plain: bool


def _sums(windows: Ints, weights: Ints, levels: Ints, fmt: IntFormat, order: _Order) -> Ints:
    """(pixels, O) sums of windows (pixels, depth) and weight codes (O, depth)."""
    out = np.zeros((len(windows), len(weights)), np.int64)
    width = len(levels).bit_length() - 1
    match order.name:
        case "decode" | "uniform":
            kernels.decode(windows, weights, levels, out)
        case "binned" if order.plain:
            kernels.binned_bits(windows, weights, width, out)
        case "binned":
            kernels.binned(windows, weights, levels, out)
        case "bit_serial":
            kernels.bit_serial(windows, weights, levels, fmt.width, fmt.signed, order.rows, out)
        case "shift_add" if order.plain:
            kernels.shift_bits(windows, weights, width, out)
        case "shift_add":
            kernels.shift_add(windows, weights, levels, _factor(levels), out)
        case _:
            piece = min(TABLE_SLICE, fmt.width)
            table = np.multiply.outer(levels, np.arange(1 << piece))
            steps = -(-fmt.width // piece)
            kernels.product_table(windows, weights, table, piece, steps, fmt.signed, out)
    return out


def _factor(levels: Ints) -> int:
    """The odd factor of a codebook in the shift form."""
    table = tuple(levels.tolist())
    factor = shift_factor(table)
    if factor is None:
        raise InputError(
            f"Codebook for shift_add must be 0, +-2^s, +-C*2^s, one odd C, not {table}"
        )
    return factor


def _finish(layer: MacLayer, acc: Ints, codes: dict[str, Ints]) -> Ints:
    """Codes of the output stage."""
    skip: Skip | None = layer.skip
    if skip is None or not isinstance(layer.output, Requant):
        return layer.output.apply(acc)
    return layer.output.apply(acc, skip.read(codes[skip.tensor], acc.shape[1]))
