"""Tensors of a traced module, and the operations that handlers add to its graph."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from torch import fx

from ...spec.program import INPUT
from ...spec.windows import Pair, Sides
from .operations import Op, OpKind
from .places import where

if TYPE_CHECKING:
    from .trace import Reader

Map = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A tensor of the traced module: a map (C, H, W), perhaps seen as (N, C * H * W)."""

    name: str
    map: Map
    flat: bool = False
    dropout: float = 0.0
    pads: Sides = (0, 0, 0, 0)
    """Zeros around it that the next convolution takes over."""

    @classmethod
    def entering(cls, shape: tuple[int, ...]) -> Self:
        """The model's input: (C, H, W), or (F,) as a map of one position."""
        if len(shape) == 1:
            return cls(name=INPUT, map=(shape[0], 1, 1), flat=True)
        return cls(name=INPUT, map=shape)  # type: ignore[arg-type]  # checked by `quantize`


Handler = Callable[["Reader", fx.Node, dict[str, Any]], Value]


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of what a node makes, without the batch."""
    return tuple(int(n) for n in node.meta["val"].shape[1:])


def added(
    reader: "Reader", node: fx.Node, kind: OpKind, value: Value, size: Pair, channels: int,
    path: str | None = None, **more: Any,
) -> Value:  # fmt: skip
    """The tensor of a new operation on `value`, which is put into the graph."""
    weighted = kind is OpKind.SUMS
    op = Op(
        name=reader.name_for(node, path), kind=kind, sources=[value.name], ins=value.map[0],
        channels=channels, size=size, where=where(node), path=path,
        dropout=value.dropout if weighted else 0.0, **more,
    )  # fmt: skip
    # what is dropped in front of a pool or an activation is dropped behind it
    return replace(reader.add(op), dropout=0.0 if weighted else value.dropout)


def operand(reader: "Reader", node: fx.Node, argument: Any) -> Value:
    """An operand that waits for no convolution to take over its padding."""
    return reader.no_pads(node, reader.value(node, argument))


def pair_of(value: Any) -> Pair:
    """(vertical, horizontal) of one number or two."""
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[-1])
