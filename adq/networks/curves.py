"""Functions of a tensor's codes as tables: a rising part less a falling one.

The table of codes (source code to code of the result) is taken from the function itself, run on
every code there is. Its rises and its falls are counted apart, each by a threshold layer; the sum
of the two, and of the code at the lowest input, is the table again, exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...spec.activation import MAX_ACT_WIDTH, Threshold
from ...spec.formats import Int64Array, IntFormat
from ...spec.networks import Curve
from ...spec.requant import Requant
from ..integers.constants import Codes, stream_format
from ..integers.folding import FoldError
from ..quantizers.stream import StreamQuantizer
from ..tensors import Signal
from .geometry import Geometry
from .layers import Unit
from .pooling import AveragePool

PRELU = "prelu"
"""The function with a parameter: one slope below zero."""
Function = Callable[..., Tensor]
FUNCTIONS: dict[str, Function] = {
    PRELU: lambda x, slope: torch.where(x > 0, x, slope * x),
    "leaky_relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "gelu": lambda x: F.gelu(x),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "mish": F.mish,
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
    "abs": torch.abs,
    "neg": torch.neg,
}
"""By the names of torch; further arguments are the numbers of the curve."""
POSITIVE = frozenset({"sigmoid", "hardsigmoid", "softplus", "abs"})
"""Those that are never negative."""
RISING = frozenset(
    {"elu", "celu", "selu", "softplus", "sigmoid", "hardsigmoid", "tanh", "hardtanh"}
)
"""Those without falling parts whatever their numbers are."""


def falls(curve: Curve) -> bool:
    """Whether the function of a curve may fall somewhere."""
    if curve.function == "leaky_relu":
        return curve.numbers[0] < 0
    return curve.function not in RISING


@dataclass(frozen=True, slots=True, eq=False)
class CodeTable:
    """A function of codes, as the layers of a program compute it."""

    rises: Int64Array
    """(codes,) How far the result has risen up to each code of the source."""
    falls: Int64Array
    first: int
    """The result at the lowest code."""


class CurveStair(Unit):
    """One part of a function; in training the rising part carries all of it."""

    whole: "CurveSum"
    """Where the parts meet; of the network, not of this unit."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self.curve = curve
        self.weight = None
        if curve.function == PRELU and curve.part == "rise":
            self.weight = nn.Parameter(torch.full((1,), 0.25))
        self._rising: tuple[CurveStair, ...] = ()

    def rises_in(self, rising: "CurveStair") -> None:
        """Tell the part which one has the function's parameter."""
        self._rising = (rising,)  # in a tuple it is no submodule of this one

    @property
    def main(self) -> "CurveStair":
        """The part that has the function's parameter."""
        return self._rising[0]

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        return Signal(self.main.values(x.real)) if self.curve.part == "rise" else x

    def values(self, x: Tensor) -> Tensor:
        """The function of real values."""
        function = FUNCTIONS[self.curve.function]
        if self.weight is not None:
            return function(x, self.weight)
        return function(x, *self.curve.numbers)

    def table(self, source: Codes) -> CodeTable:
        """The function between the codes of the source and those of the whole."""
        step, fmt = source
        values = torch.arange(fmt.min, fmt.max + 1).float().mul_(step)
        output = self.whole.quantizer
        with torch.no_grad():
            real = self.main.values(values.to(output.step.device)).float().cpu()
        # as the quantizer's forward pass does it
        low, high = output.low, output.high
        codes = torch.floor(real / torch.tensor(output.real_step) + 0.5).clamp_(low, high)
        jumps = np.diff(codes.long().numpy())
        rises, drops = (np.cumsum(np.maximum(side, 0)) for side in (jumps, -jumps))
        if max(rises[-1], drops[-1]) >= 1 << MAX_ACT_WIDTH:
            raise FoldError(
                f"Layer {self.name!r}: {self.curve.function} must rise and fall by less than "
                f"{1 << MAX_ACT_WIDTH} codes, not by {rises[-1]} and {drops[-1]}"
            )
        return CodeTable(np.append(0, rises), np.append(0, drops), int(codes[0]))

    def counted(self, source: Codes) -> Int64Array:
        """This part of the table."""
        table = self.table(source)
        return table.rises if self.curve.part == "rise" else table.falls

    def threshold(self, source: Codes) -> Threshold:
        """Thresholds on the codes of the source that count this part."""
        counts, fmt = self.counted(source), source[1]
        width = max(1, int(counts[-1]).bit_length())
        self.whole.first = self.table(source).first
        reached = np.arange(1, 1 << width)
        tau = np.searchsorted(counts, reached, side="left") + fmt.min
        return Threshold(tau=tau[None], sign=np.ones(1, np.int64))

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        assert x.format is not None
        counts = self.counted((x.scale, x.format))
        table = torch.from_numpy(counts).to(x.data.device, torch.float32)
        width = max(1, int(counts[-1]).bit_length())
        codes = table[x.data.long() - x.format.min]
        self.whole.first = self.table((x.scale, x.format)).first
        return Signal(codes, 1.0, IntFormat(width=width))


class CurveSum(AveragePool):
    """The rising part less the falling one: the codes of the function's result."""

    def __init__(self, output: StreamQuantizer | None) -> None:
        super().__init__(output, geometry=Geometry())
        self.first = 0
        """Code at the lowest code of the source, as the rising part last found it."""

    @property
    def quantizer(self) -> StreamQuantizer:
        """The quantizer of the result."""
        assert self.output is not None
        return self.output

    def compute(self, x: Signal, skip: Signal | None) -> Signal:
        return super().compute(x, None)

    def requant(self, *, both: bool) -> Requant:
        """The sum of the parts; ``both``: whether there is a falling one."""
        return Requant(
            multiplier=np.ones(1, np.int64), bias=np.array([self.first]), shift=0,
            out=stream_format(self.quantizer), skip_multiplier=-1 if both else 0,
        )  # fmt: skip

    def evaluate(self, x: Signal, skip: Signal | None) -> Signal:
        codes = x.data + self.first if skip is None else x.data - skip.data + self.first
        output = self.quantizer
        return Signal(codes.clamp(output.low, output.high), output.real_step, stream_format(output))
