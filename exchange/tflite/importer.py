"""TFLite file to program: each operator by the function that its kernel computes."""

from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.text import shown
from ..imported import Imported
from .convolutions import conv_2d, depthwise_conv_2d, fully_connected
from .elementwise import (
    add,
    at_the_end,
    hard_swish,
    leaky_relu,
    logistic,
    prelu,
    quantize,
    relu,
    shape_arithmetic,
)
from .file import FileGraph, read_graph
from .pools import (
    average_pool_2d,
    concatenation,
    max_pool_2d,
    mean,
    pad,
    reshape,
    resize_nearest_neighbor,
)
from .walk import DIALECTS, REFERENCE, Handler, Walk

HANDLERS: dict[str, Handler] = {
    "ADD": add,
    "AVERAGE_POOL_2D": average_pool_2d,
    "CONCATENATION": concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": at_the_end,
    "FULLY_CONNECTED": fully_connected,
    "HARD_SWISH": hard_swish,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": logistic,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": mean,
    "PAD": pad,
    "PACK": shape_arithmetic,
    "PRELU": prelu,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu,
    "RELU_N1_TO_1": relu,
    "RESHAPE": reshape,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "SHAPE": shape_arithmetic,
    "SOFTMAX": at_the_end,
    "SQUEEZE": reshape,
    "STRIDED_SLICE": shape_arithmetic,
}
"""The operators that are read."""


def import_tflite(path: str | Path, dialect: str = REFERENCE) -> Imported:
    """The program with the bits that the engine `dialect` computes on a TFLite file.

    dialect: `tflite-reference`, LiteRT's reference kernels (ai-edge-litert), or `tflite-micro`,
    TFLite-Micro's reference kernels. Refuses in one line, with operator and what would be
    accepted, whatever is not represented exactly.
    """
    return import_graph(read_graph(path), dialect)


def import_graph(graph: FileGraph, dialect: str) -> Imported:
    """The program of a graph that was read."""
    if dialect not in DIALECTS:
        raise InputError(f"Dialect must be one of {', '.join(DIALECTS)}, not {shown(dialect)}")
    return Walk(graph=graph, dialect=dialect).run(HANDLERS)
