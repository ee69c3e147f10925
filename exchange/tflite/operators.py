"""The operators that are read."""

from .convolutions import conv_2d, depthwise_conv_2d, fully_connected
from .elementwise import add, at_the_end, leaky_relu, logistic, quantize, relu
from .importer import Handler
from .pools import (
    average_pool_2d,
    concatenation,
    max_pool_2d,
    mean,
    pad,
    reshape,
    resize_nearest_neighbor,
)

HANDLERS: dict[str, Handler] = {
    "ADD": add,
    "AVERAGE_POOL_2D": average_pool_2d,
    "CONCATENATION": concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": at_the_end,
    "FULLY_CONNECTED": fully_connected,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": logistic,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": mean,
    "PAD": pad,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu,
    "RELU_N1_TO_1": relu,
    "RESHAPE": reshape,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "SOFTMAX": at_the_end,
    "SQUEEZE": reshape,
}
