"""An addition as its engine computes it: operands rescaled to wide codes, summed, rounded."""

import numpy as np

from ..spec.activation import Threshold
from ..spec.formats import IntFormat
from ..spec.layers import ThresholdLayer
from ..spec.program import Shape
from ..spec.requant import Requant
from .addition import Operand, Summed, nearest_line
from .builder import Builder, Codes
from .imported import Quantization
from .stages import stage
from .tables import table_layers


def wide_addition(
    draft: Builder, name: str, first: Codes, second: Codes, function: Summed, out: Quantization
) -> Codes:
    """Both operands as wide codes, their sum, and its thresholds.

    An operand that is no line (its halves go away from zero) is one, and a small correction.
    """
    left = _operand(draft, f"{name}.first", first, function.first)
    right = _operand(draft, f"{name}.second", second, function.second)
    low, high = left.format.min + right.format.min, left.format.max + right.format.max
    fmt = IntFormat.holding(low, high)
    added = Requant(
        multiplier=np.array([1]), skip_multiplier=1, bias=np.array([0]), shift=0, out=fmt
    )
    total = draft.joined(
        f"{name}.sum", left.name, right.name, first.shape, added, _plain(fmt), offset=0
    )
    made = draft.target(out)
    ends = np.array([low]), np.array([high])
    chosen = stage(
        lambda sums: function.total(sums) - made.offset, *ends, made.format, draft.where(name)
    )
    ones = np.ones((first.shape[0], 1, 1, 1), np.int64)
    groups = first.shape[0]
    return draft.mac_layer(name, total, ones, chosen, out, (1, 1), (0, 0, 0, 0), groups)


def _operand(draft: Builder, name: str, codes: Codes, function: Operand) -> Codes:
    """Wide codes equal to `function` of the file's codes."""
    line, correction = nearest_line(function, codes.format, codes.offset)
    if not correction.any():
        layer = draft.unit_pool(name, codes, line)
        return draft.append(layer, codes.shape, _plain(line.out), offset=0)
    table = (correction - correction.min())[None]
    parts = table_layers(table, codes.format, IntFormat(width=8), draft.where(name))
    constant = int(correction.min()) + parts.bias
    rising = _steps(draft, f"{name}.rising", codes, parts.rising)
    raised = _with_skip(line, 1 << line.shift, constant << line.shift)
    up = _joined(draft, f"{name}.up", codes.name, rising, codes.shape, raised)
    if parts.falling is None:
        return up
    falling = _steps(draft, f"{name}.falling", codes, parts.falling)
    same = Requant(multiplier=np.array([1]), bias=np.array([0]), shift=0, out=raised.out)
    lowered = _with_skip(same, -1, 0)
    return _joined(draft, f"{name}.wide", up.name, falling, codes.shape, lowered)


def _steps(draft: Builder, name: str, codes: Codes, output: Threshold) -> str:
    layer = ThresholdLayer(name=draft.free_name(name), input=codes.name, output=output)
    draft.layers.append(layer)
    return layer.name


def _with_skip(line: Requant, skip_multiplier: int, bias: int) -> Requant:
    """`line` with a small second operand, its codes one bit wider."""
    return Requant(
        multiplier=line.multiplier,
        skip_multiplier=skip_multiplier,
        bias=line.bias + bias,
        shift=line.shift,
        out=IntFormat(width=min(line.out.width + 1, 32), signed=True),
    )


def _joined(
    draft: Builder, name: str, first: str, second: str, shape: Shape, output: Requant
) -> Codes:
    return draft.joined(name, first, second, shape, output, _plain(output.out), offset=0)


def _plain(fmt: IntFormat) -> Quantization:
    return Quantization(format=fmt, scale=1.0, zero_point=0)
