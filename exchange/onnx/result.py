"""From a finished walk to an `Imported`: the program, and where the file's tensors are in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.layers import Layer
from ...spec.program import INPUT, Program
from ..imported import (
    Encoder,
    Imported,
    Origin,
    Quantization,
    Rounding,
    Scaling,
    provenance,
)
from .emit import Codes
from .graph import Graph
from .layout import Map, View


@dataclass(kw_only=True, eq=False)
class Origins:
    """Tensors of the file whose codes are those of a tensor of the program, in a plain layout."""

    found: list[Origin] = field(default_factory=list)

    def say(
        self, codes: Codes, name: str, view: View, quantization: Quantization, offset: int = 0
    ) -> bool:
        """`codes` plus `offset` are the file's tensor `name`; False where its layout is another."""
        last = view.index.ndim == 4 and view.pixels()
        if view.shape != codes.shape or not (view.is_whole or last):
            return False
        self.found.append(
            Origin(
                tensor=codes.name, file_tensor=name, shape=view.index.shape[1:],
                channels_last=last and not view.is_whole, offset=offset, quantization=quantization,
            )
        )  # fmt: skip
        return True


def imported(
    dialect: str, layers: Sequence[Layer], start: Codes, origins: Origins, rounding: Rounding,
    dropped: Sequence[str], encoder: Encoder | None = None, scaling: Scaling | None = None,
) -> Imported:  # fmt: skip
    """The import of a file whose last layer makes its result, the last of `origins`."""
    if not layers:
        raise InputError("File must have an operator that computes, not none")
    found = tuple(origins.found)
    if not found or found[0].tensor != INPUT or found[-1].tensor != layers[-1].name:
        raise InputError("Result must be the last layer's map, not another arrangement of it")
    record = provenance(dialect, found, rounding, tuple(dropped))
    if encoder is not None:
        record["import"]["encoding"] = encoder.text
    if scaling is not None:
        record["import"]["scaling"] = scaling.record()
    program = Program(
        layers=tuple(layers), input_shape=start.shape, input_format=start.format, provenance=record
    )
    return Imported(
        program=program, dialect=dialect, origins=found, rounding=rounding,
        dropped=tuple(dropped), encoder=encoder, scaling=scaling,
    )  # fmt: skip


def map_shape(shape: tuple[int, ...]) -> Map:
    """The map (C, H, W) of a tensor (1, C), (1, C, W) or (1, C, H, W)."""
    _, channels, *rest = shape
    height, width = (*(1,) * (2 - len(rest)), *rest)
    return channels, height, width


def input_view(graph: Graph) -> View:
    """The graph's input on a map: channels last where a Transpose says that it is so.

    Files of TensorFlow feed (1, H, W, C) and turn it before the first layer.
    """
    shape, tensors = graph.input.shape, {graph.input.name}
    for node in graph.nodes:
        if len(shape) == 4 and node.inputs and node.inputs[0] in tensors:
            if node.op == "Transpose" and node.integers("perm", ()) == (0, 3, 1, 2):
                _, height, width, channels = shape
                found = View.whole((channels, height, width))
                return View(shape=found.shape, index=found.index.transpose(0, 2, 3, 1))
            if node.op in _ELEMENTWISE:
                tensors.add(node.outputs[0])
    return View.whole(map_shape(shape), shape)


_ELEMENTWISE = (
    "QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant", "BipolarQuant", "Mul", "Add", "Sub",
    "Div", "Cast", "Identity",
)  # fmt: skip


def plain_integers(form: IntFormat) -> Quantization:
    """Codes that are their own values."""
    return Quantization(format=form, scale=1.0, zero_point=0)
