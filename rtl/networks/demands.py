"""The `Arch` that a program needs: every demand with its layer."""

from collections.abc import Iterator, Mapping
from typing import assert_never

from ...spec.activation import Threshold
from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.host.kept import kept
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import SizedNetwork
from ...spec.requant import Requant
from ..arch.arch import RANGES, Arch, Need, RequantWidths
from ..lanes.micro import Micro
from ..timing.tables import has_rows
from .unsigned import as_unsigned

REQUANT_FIELDS = frozenset(RequantWidths.__dataclass_fields__)


@kept
def needs(program: SizedNetwork) -> tuple[Need, ...]:
    """Every demand of `program`, in layer order."""
    return tuple(_needs(program))


@kept
def _most_needed(program: SizedNetwork) -> Mapping[str, int]:
    """By parameter, the largest of `needs`."""
    found: dict[str, int] = {}
    for need in needs(program):
        found[need.parameter] = max(need.value, found.get(need.parameter, 0))
    return found


def _needs(program: SizedNetwork) -> Iterator[Need]:
    for layer in program.layers:
        match layer:
            case MacLayer():
                yield from _window_needs(layer)
                yield from _stage_needs(program, layer, layer.output)
            case PoolLayer():
                yield from _window_needs(layer)
                if layer.output is None:
                    yield from _code_needs(program, layer)
                else:
                    yield from _stage_needs(program, layer, layer.output)
            case ThresholdLayer():
                yield from _stage_needs(program, layer, layer.output)
            case ConcatLayer() | UpsampleLayer():
                yield from _code_needs(program, layer)
            case _:
                assert_never(layer)


def demands(lanes: Micro, program: SizedNetwork, *, rows: int, cols: int) -> list[Need]:
    """All that an array of these lanes must have; refuse what none can have."""
    program, _ = as_unsigned(program)
    own = _needs_of(lanes, program, rows=rows, cols=cols)
    return [*needs(program), *own]


def check_program(arch: Arch, program: SizedNetwork) -> None:
    """Refuse `program` if `arch` is too small for one of its layers."""
    program, _ = as_unsigned(program)
    demanded = _needs_of(arch.lanes, program, rows=arch.rows, cols=arch.cols)
    if any(_available(arch, name) < value for name, value in _most_needed(program).items()):
        demanded = [*needs(program), *demanded]  # one of them is refused by its layer
    for need in demanded:
        available = _available(arch, need.parameter)
        if available < need.value:
            raise InputError(
                f"Arch {need.parameter} must be at least {need.value} for layer {need.layer!r}, "
                f"not {available} ({need.why})"
            )


def _needs_of(lanes: Micro, program: SizedNetwork, *, rows: int, cols: int) -> list[Need]:
    """What the lanes need beyond `needs`; refuse what no array of them can have."""
    lanes.check(program)
    own = list(lanes.needs(program, rows=rows, cols=cols))
    fits = all(value <= RANGES[name][1] for name, value in _most_needed(program).items())
    for need in own if fits else [*needs(program), *own]:
        most = RANGES[need.parameter][1]
        if need.value > most:
            raise InputError(
                f"Layer {need.layer!r} must have {need.parameter} at most {most} to run on "
                f"{lanes.name} lanes, not {need.value} ({need.why})"
            )
    return own


def _available(arch: Arch, parameter: str) -> int:
    """What the array has of a parameter; the most there is where it has no use for it."""
    levels = parameter == "weight_width" and arch.lanes.stores_levels
    if levels or (parameter == "axes" and arch.holds):  # every pass has both axes
        return RANGES[parameter][1]
    owner = arch.requant if parameter in REQUANT_FIELDS else arch
    return int(getattr(owner, parameter))


def _window_needs(layer: MacLayer | PoolLayer) -> Iterator[Need]:
    """Bottom and right are what the map leaves; top and left are where windows begin."""
    top, left, _, _ = layer.padding
    if layer.stride[0] != layer.stride[1]:
        yield Need("axes", 2, layer.name, f"strides {layer.stride}")
    elif top != left:
        yield Need("axes", 2, layer.name, f"padding {top} at the top, {left} at the left")


def _code_needs(program: SizedNetwork, layer: Layer) -> Iterator[Need]:
    """Of a layer that leaves codes as they are: they may have to pass the output stage."""
    if has_rows(program, layer):
        width = max(2, program.acc_width(layer.name))
        for parameter in ("acc_width", "out_width"):
            yield Need(parameter, width, layer.name, _of(program, layer.name))


def _stage_needs(
    program: SizedNetwork, layer: MacLayer | PoolLayer | ThresholdLayer, output: Threshold | Requant
) -> Iterator[Need]:
    name = layer.name
    low, high = program.acc_bounds(name)
    yield Need("acc_width", program.acc_width(name), name, f"sums in {low}..{high}")
    direct = isinstance(layer, ThresholdLayer)  # its codes go straight to the threshold unit
    if not direct:
        yield Need(
            "act_width", program.tensor_format(layer.input).width, name, _of(program, layer.input)
        )
    channels = output.channels if direct else program.tensor_shape(name)[0]
    yield Need("channels", channels, name, f"{channels} channels")
    if isinstance(layer, MacLayer):
        yield Need("level_width", max(2, layer.level_width), name, "its levels")
        if layer.codebook is not None:
            yield Need("weight_width", layer.weight_width, name, "its codebook")
    if layer.skip is not None:
        width = _signed_width(program.tensor_format(layer.skip.tensor))
        yield Need("skip_width", width, name, _of(program, layer.skip.tensor))
    for parameter, value in _output_needs(output):
        yield Need(parameter, value, name, "its output stage")


def _of(program: SizedNetwork, tensor: str) -> str:
    """A tensor with its format, for messages."""
    return f"tensor {tensor!r} is {program.tensor_format(tensor).name}"


def _output_needs(output: Threshold | Requant) -> Iterator[tuple[str, int]]:
    yield "out_width", _signed_width(output.format)
    if isinstance(output, Threshold):
        yield "threshold_width", output.width
        return
    yield "multiplier_width", _holding(*output.multiplier.tolist())
    yield "bias_width", _holding(*output.bias.tolist())
    yield "shift_max", output.shift
    yield "skip_multiplier_width", _holding(output.skip_multiplier)


def _signed_width(fmt: IntFormat) -> int:
    return max(2, fmt.width + (not fmt.signed))


def _holding(*values: int) -> int:
    return max(2, IntFormat.holding(min(*values, -1), max(*values, 0)).width)
