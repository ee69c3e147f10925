"""Attributes of Conv and pools as stride, padding and kernel of a layer; weights as levels."""

from dataclasses import dataclass

import numpy as np

from ...spec.formats import Int64Array
from .emit import Pair
from .graph import Node
from .layout import Edges, Map, View


@dataclass(frozen=True, kw_only=True)
class Window:
    """Kernel (height, width), stride, padding of a window on a map."""

    kernel: Pair
    stride: Pair
    padding: Edges


def window_of(node: Node, kernel: tuple[int, ...], source: Map) -> Window:
    """The window of a Conv or pool node; kernel: without its dilation, 1 or 2 sizes."""
    rank = len(kernel)
    if rank not in (1, 2):
        raise node.refuse("kernel must have 1 or 2 sizes", f"{rank}")
    dilation = node.integers("dilations", (1,) * rank)
    stride = node.integers("strides", (1,) * rank)
    if len(stride) != rank or len(dilation) != rank or min(*stride, *dilation, *kernel) < 1:
        raise node.refuse(f"strides and dilations must be {rank} numbers >= 1", f"{stride}")
    if node.integer("ceil_mode", 0):
        raise node.refuse("ceil_mode must be 0", "1")
    spread = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    sizes = source[1:] if rank == 2 else source[2:]
    pads = _pads(node, spread, stride, sizes)
    if rank == 1:
        return Window(
            kernel=(1, spread[0]), stride=(1, stride[0]), padding=(0, pads[0], 0, pads[1])
        )
    return Window(
        kernel=(spread[0], spread[1]), stride=(stride[0], stride[1]),
        padding=(pads[0], pads[1], pads[2], pads[3]),
    )  # fmt: skip


def _pads(
    node: Node, kernel: tuple[int, ...], stride: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[int, ...]:
    rank, mode = len(kernel), node.text("auto_pad", "NOTSET")
    match mode:
        case "NOTSET" | "":
            pads = node.integers("pads", (0,) * (2 * rank))
        case "VALID":
            pads = (0,) * (2 * rank)
        case "SAME_UPPER" | "SAME_LOWER":
            need = [
                max(-(-n // s) * s - s + k - n, 0)
                for n, s, k in zip(sizes, stride, kernel, strict=True)
            ]
            less, more = [n // 2 for n in need], [n - n // 2 for n in need]
            pads = (*less, *more) if mode == "SAME_UPPER" else (*more, *less)
        case _:
            raise node.refuse("auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER", mode)
    if len(pads) != 2 * rank or min(pads) < 0:
        raise node.refuse(f"pads must be {2 * rank} numbers >= 0", f"{pads}")
    return pads


def dilated(node: Node, levels: Int64Array) -> Int64Array:
    """(Cout, Cin/groups, kh, kw) levels with the zeros of the node's dilation between them."""
    if levels.ndim == 3:
        levels = levels[:, :, None, :]
    if levels.ndim != 4:
        raise node.refuse("weights must be (Cout, Cin/groups, kh, kw)", f"{levels.shape}")
    steps = (1, *node.integers("dilations", ()))[-2:] if "dilations" in node.attributes else (1, 1)
    if steps == (1, 1):
        return levels
    v, h = steps
    kernel = v * (levels.shape[2] - 1) + 1, h * (levels.shape[3] - 1) + 1
    spread = np.zeros((*levels.shape[:2], *kernel), np.int64)
    spread[:, :, ::v, ::h] = levels
    return spread


def product_levels(
    node: Node, view: View, levels: Int64Array
) -> tuple[Int64Array, tuple[int, ...]]:
    """A matrix product as a convolution: levels (K, N) over the view's last axis.

    Returns levels (N, C, kh, kw) of a convolution on the map, and the product's logical shape. A
    row that reads the whole map becomes a kernel of the map's size.
    """
    if levels.ndim != 2 or levels.shape[0] != view.index.shape[-1]:
        raise node.refuse(f"weights must be ({view.index.shape[-1]}, N)", f"{levels.shape}")
    count = levels.shape[1]
    logical = (*view.index.shape[:-1], count)
    if view.index.size != int(np.prod(view.shape)) or (view.index < 0).any():
        raise node.refuse("product must read a whole map", "a part of it")
    row = view.rows()
    if row is not None:
        kernel = np.zeros((count, row.size), np.int64)
        kernel[:, row] = levels.T
        return kernel.reshape(count, *view.shape), logical
    if view.pixels():
        return np.ascontiguousarray(levels.T)[:, :, None, None], logical
    raise node.refuse("product must read the channels of a pixel or the whole map", "another axis")


def product_view(shape: Map, logical: tuple[int, ...]) -> View:
    """The view of a product's map (N, H, W) with the product's logical shape, channels last."""
    index = np.arange(int(np.prod(shape))).reshape(shape[0], -1).T.reshape(logical)
    return View(shape=shape, index=index)
