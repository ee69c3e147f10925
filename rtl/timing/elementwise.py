"""Elementwise: the few operations of the cost formulas that numbers and arrays write differently.

A formula of this model takes one array (`rows`, `cols` are ints) or many at once (they are NumPy
vectors, one element per design point, `cost.estimate.points`); these functions write it once.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..arch.arch import RANGES


def least(a: Any, b: Any) -> Any:
    """min(a, b)."""
    return np.minimum(a, b) if _either(a, b) else min(a, b)


def most(a: Any, b: Any) -> Any:
    """max(a, b)."""
    return np.maximum(a, b) if _either(a, b) else max(a, b)


def root(value: Any) -> Any:
    """Square root."""
    return np.sqrt(value) if isinstance(value, np.ndarray) else math.sqrt(value)


def real(value: Any) -> Any:
    """float(value)."""
    return value.astype(np.float64) if isinstance(value, np.ndarray) else float(value)


def bit_length(value: Any) -> Any:
    """value.bit_length() of integers >= 0 below 2^53."""
    if isinstance(value, np.ndarray):
        return np.frexp(value.astype(np.float64))[1].astype(np.int64)
    return int(value).bit_length()


def tree_add_bits(lanes: Any, product_width: Any, acc_width: int) -> Any:
    """Adder bits of a balanced tree over `lanes` products: lanes - 1 adders, growing a bit a stage.

    Four products of 12 bits: 2 adders of 13 bits and one of 14. `product_width` may be a vector
    too, beside `lanes`.
    """
    if isinstance(product_width, np.ndarray):
        return elementwise(lambda n, w: int(_tree_table(w, acc_width)[n]), lanes, product_width)
    table = _tree_table(product_width, acc_width)
    return table[lanes] if isinstance(lanes, np.ndarray) else int(table[lanes])


@lru_cache(maxsize=4096)
def _tree_table(product_width: int, acc_width: int) -> np.ndarray:
    most_lanes = RANGES["rows"][1]
    return np.array(
        [_tree(lanes, product_width, acc_width) for lanes in range(most_lanes + 1)], np.int64
    )


def _tree(lanes: int, product_width: int, acc_width: int) -> int:
    bits, width = 0, product_width
    while lanes > 1:
        width = min(width + 1, acc_width)
        bits += lanes // 2 * width
        lanes = (lanes + 1) // 2
    return bits


def elementwise(function: Callable[..., int], *values: Any) -> Any:
    """`function` of integers, for every element where they are vectors."""
    if not any(isinstance(value, np.ndarray) for value in values):
        return function(*values)
    rows = zip(*(a.tolist() for a in np.broadcast_arrays(*values)), strict=True)
    return np.array([function(*row) for row in rows], np.int64)


def _either(a: Any, b: Any) -> bool:
    return isinstance(a, np.ndarray) or isinstance(b, np.ndarray)
