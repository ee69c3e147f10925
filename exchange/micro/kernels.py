"""Which of TFLite-Micro's kernels without weights a layer is, by the kernel's own arithmetic."""

from math import prod

import numpy as np

from ...spec.activation import Threshold
from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import Layer
from ...spec.requant import Requant
from ..steps import Function, Steps, find
from ..tflite.arithmetic import NONE, RELU6, activation_range
from ..tflite.elementwise import addition, rescaling
from ..tflite.pools import average, mean_function
from .requants import ACTIVATIONS, Ends
from .scales import FILE, file_offset

AVERAGE, MEAN, QUANTIZE, CLAMP = "AVERAGE_POOL_2D", "MEAN", "QUANTIZE", "RELU6"


def steps_of(layer: Layer, output: Threshold | Requant, low: Int64Array, high: Int64Array) -> Steps:
    """Where the layer's output stage steps, of all sums low_c..high_c."""
    return find(
        lambda sums: output.apply(sums[None])[0], low, high, output.format, f"Layer {layer.name!r}"
    )


def window_kernel(
    steps: Steps, ends: Ends, codes: IntFormat, kernel: tuple[int, int], *, whole: bool
) -> tuple[str, int] | None:
    """The operator, and its activation, that computes these steps of sums of codes in windows.

    codes: format of what the layer reads; whole: the window is the whole map.
    """
    count, offset = prod(kernel), file_offset(codes)
    source, out = ends.source, ends.out
    if count == 1:
        rescaled = rescaling(source, out)
        if _same(lambda sums: rescaled(sums + offset) - ends.offset, steps):
            return QUANTIZE, NONE
        ends6 = activation_range(RELU6, FILE, source.scale, source.zero_point)
        clamped = _same(lambda sums: np.clip(sums + offset, *ends6) - ends.offset, steps)
        return (CLAMP, NONE) if clamped else None
    for activation in ACTIVATIONS if source == out else ():
        clamp = activation_range(activation, FILE, out.scale, out.zero_point)

        def pool(sums: Int64Array, clamp: tuple[int, int] = clamp) -> Int64Array:
            return np.clip(average(sums + count * offset, count), *clamp) - ends.offset

        if _same(pool, steps):
            return AVERAGE, activation
    mean = mean_function(source, out, count)
    if whole and _same(lambda sums: mean(sums + count * offset) - ends.offset, steps):
        return MEAN, NONE
    return None


def _same(function: Function, steps: Steps) -> bool:
    """Whether a kernel's function of sums has these steps."""
    try:
        found = find(function, steps.low, steps.high, steps.out, "kernel")
    except InputError:  # codes beyond the layer's format
        return False
    return bool((found.tau == steps.tau).all() and (found.sign == steps.sign).all())


def addition_activation(
    layer: Layer, output: Requant, formats: tuple[IntFormat, IntFormat], first: Ends, second: Ends
) -> int:
    """The activation with which ADD is the layer, of all pairs of codes; refuses if none is."""
    axes = (np.arange(fmt.min, fmt.max + 1) for fmt in formats)
    a, b = (x.ravel() for x in np.meshgrid(*axes, indexing="ij"))
    wanted = output.apply(a[None, None], b[None, None])[0, 0]
    function = addition(first.source, second.source, first.out)
    codes = function(a + file_offset(formats[0]), b + file_offset(formats[1]))
    for activation in ACTIVATIONS:
        clamp = activation_range(activation, FILE, first.out.scale, first.out.zero_point)
        if (np.clip(codes, *clamp) - first.offset == wanted).all():
            return activation
    made = codes - first.offset
    at = int((made != wanted).argmax())
    raise InputError(
        f"Layer {layer.name!r} must add as TFLite-Micro's ADD does, which makes {made[at]} of the "
        f"codes {a[at]} and {b[at]}, not {wanted[at]}"
    )
