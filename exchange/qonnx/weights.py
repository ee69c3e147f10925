"""Constants of QONNX as integers and a scale: quantized weights, and float ones that are such."""

from dataclasses import dataclass

import numpy as np

from ...spec.formats import Int64Array
from ..onnx.graph import Array, Node
from ..onnx.layout import LAYOUT, View, apply
from .inputs import ROUNDS
from .rationals import Numbers, exact
from .rounding import MODES, Quantizer, bipolar, quant

MOST_BITS = 16
"""Widest weight."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantized:
    """Constants `level * scale`; levels and scale have one shape."""

    levels: Int64Array
    scale: Array

    def moved(self, node: Node, given: dict[str, Array]) -> "Quantized":
        """After an operator that only moves elements."""
        view = View.whole((self.levels.size, 1, 1), self.levels.shape)
        index = apply(node, view, given.get).index
        return Quantized(levels=self.levels.reshape(-1)[index], scale=self.scale.reshape(-1)[index])

    def rows(self, node: Node) -> Numbers:
        """The scale of each output channel, the first axis; refuses others."""
        flat = self.scale.reshape(len(self.scale), -1)
        if (flat != flat[:, :1]).any():
            raise node.refuse("weights must have one scale per output channel", "several")
        return exact(flat[:, 0])


def quantizer_of(node: Node, bits: Array, most: int) -> tuple[Quantizer, str]:
    """The quantizer of a Quant node, and its rounding mode."""
    width = float(bits.reshape(-1)[0]) if bits.size == 1 else 0.5
    mode = node.text("rounding_mode", "ROUND").upper()
    if width != int(width) or not 1 <= width <= most:
        raise node.refuse(f"bit width must be one integer in 1..{most}", f"{bits.reshape(-1)[:3]}")
    if mode not in MODES:
        raise node.refuse(f"rounding_mode must be one of {', '.join(MODES)}", mode)
    signed, narrow = bool(node.integer("signed", 1)), bool(node.integer("narrow", 0))
    return quant(mode, int(width), signed, narrow), mode


def quantize(node: Node, values: Array, scale: Array, zero: Array, bits: Array) -> Quantized:
    """A Quant of constants, executed in float32 as qonnx does."""
    quantizer, mode = quantizer_of(node, bits, MOST_BITS)
    if not (np.isfinite(scale).all() and (scale > 0).all()) or (zero != np.rint(zero)).any():
        raise node.refuse("scale must be above 0 and zero point an integer", "others")
    u = values / scale + zero
    if not np.isfinite(u).all():
        raise node.refuse("weights must be finite", "NaN or infinite")
    if quantizer.two_valued:
        codes = np.where(u >= 0, 1, -1)
    else:
        codes = ROUNDS[mode](np.clip(u, quantizer.lowest, quantizer.highest))
    levels = codes.astype(np.int64) - np.broadcast_to(zero, codes.shape).astype(np.int64)
    return Quantized(levels=levels, scale=np.broadcast_to(scale, levels.shape).copy())


def binarize(node: Node, values: Array, scale: Array) -> Quantized:
    """A BipolarQuant of constants."""
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise node.refuse("scale must be above 0", "others")
    levels = np.where(values >= 0, bipolar().highest, bipolar().lowest).astype(np.int64)
    return Quantized(levels=levels, scale=np.broadcast_to(scale, levels.shape).copy())


def as_quantized(node: Node, values: Array) -> Quantized:
    """Constants without a Quant: integers, or in each output channel -x, 0 and x alone."""
    if not np.isfinite(values).all():
        raise node.refuse("weights must be finite", "NaN or infinite")
    if (values == np.rint(values)).all() and np.abs(values).max(initial=0) < 1 << MOST_BITS:
        return Quantized(levels=values.astype(np.int64), scale=np.ones(values.shape, np.float32))
    flat = values.reshape(len(values), -1)
    most = np.abs(flat).max(axis=1, keepdims=True)
    if not ((np.abs(flat) == most) | (flat == 0)).all():
        _refuse_float(node)
    scale = np.broadcast_to(np.where(most == 0, 1, most), flat.shape).reshape(values.shape)
    return Quantized(levels=np.sign(values).astype(np.int64), scale=scale.astype(values.dtype))


def _refuse_float(node: Node) -> None:
    raise node.refuse(
        "weights must be quantized (Quant, BipolarQuant, or integers)",
        "floating point: `adqhw calibrate` or `adqhw.quantize` make a program of a float network",
    )


def moves(node: Node) -> bool:
    """Whether the node only moves elements."""
    return node.op in LAYOUT and node.op != "Pad"
