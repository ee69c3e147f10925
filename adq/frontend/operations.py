"""What a traced module computes, as a list of operations on maps (C, H, W)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ...spec.program import INPUT
from ...spec.windows import Pair, Sides


class OpKind(StrEnum):
    """Operations that a traced module is made of."""

    SUMS = "sums"
    """Convolution or linear layer."""
    NORM = "norm"
    """Batch norm that stands alone."""
    CURVE = "curve"
    """Function of each value."""
    MAX = "max"
    AVERAGE = "average"
    ADD = "add"
    CONCAT = "concat"
    UPSAMPLE = "upsample"
    ENTER = "enter"
    """The input as a stream, where something else than a convolution reads it."""


RELU = "relu"
"""The function that quantizers have anyway, up to a clip."""
PASSING = (OpKind.MAX, OpKind.UPSAMPLE, OpKind.CONCAT)
"""Kinds that pass codes on as they are."""


@dataclass(kw_only=True)
class Op:
    """One operation and what is fused into it."""

    name: str
    kind: OpKind
    sources: list[str]
    ins: int
    """Channels of the first source."""
    channels: int
    size: Pair
    where: str
    """For messages: module, file and line of the user's code."""
    kernel: Pair = (1, 1)
    """Of an upsampling: its factors."""
    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    path: str | None = None
    """Module that has its weights."""
    bias: bool = False
    flat: bool = False
    norm: str | None = None
    """Module of the batch norm."""
    eps: float = 1e-5
    momentum: float = 0.1
    function: str = ""
    """Of a curve."""
    numbers: tuple[float, ...] = ()
    rectified: bool = False
    """Whether a ReLU follows."""
    clip: float | None = None
    skip: str | None = None
    """Tensor that is added before the ReLU."""
    dropout: float = 0.0

    @property
    def reads(self) -> list[str]:
        """Tensors that it reads."""
        return self.sources if self.skip is None else [*self.sources, self.skip]

    @property
    def plain(self) -> bool:
        """Whether nothing is fused behind it yet: a batch norm may be."""
        return not self.rectified and self.clip is None and self.skip is None


@dataclass(kw_only=True)
class Graph:
    """The operations of a module, in an order in which they can be computed."""

    ops: dict[str, Op] = field(default_factory=dict)
    result: str = INPUT

    def readers(self, name: str) -> list[Op]:
        """Operations that read the tensor ``name``."""
        return [op for op in self.ops.values() if name in op.reads]

    def read_once(self, name: str, reader: Op) -> bool:
        """Whether ``reader`` alone reads the tensor, in one place, and it is not the result."""
        return (
            name != self.result and self.readers(name) == [reader] and reader.reads.count(name) == 1
        )

    def drop(self, op: Op, successor: str) -> None:
        """Take an operation out; who read it reads ``successor``."""
        del self.ops[op.name]
        for other in self.ops.values():
            other.sources = [successor if x == op.name else x for x in other.sources]
            if other.skip == op.name:
                other.skip = successor
        if self.result == op.name:
            self.result = successor

    def ordered(self) -> Iterator[Op]:
        """All operations that the result needs, sources before readers."""
        done: set[str] = {INPUT}
        stack = [self.result]
        while stack:
            name = stack[-1]
            missing = [] if name in done else [x for x in self.ops[name].reads if x not in done]
            if missing:
                stack.append(missing[-1])
                continue
            stack.pop()
            if name not in done:
                done.add(name)
                yield self.ops[name]
