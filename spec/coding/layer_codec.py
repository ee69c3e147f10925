"""Layers to and from JSON objects and tensors, strictly (contract section 9)."""

from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from ..activation import Threshold
from ..codebook import Codebook
from ..errors import ContractError
from ..formats import Int64Array, IntFormat
from ..host.text import shown
from ..layers import (
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
    check_name,
)
from ..requant import Requant
from ..windows import plain
from .packing import pack, unpack

Json = dict[str, Any]
Tensors = dict[str, npt.NDArray[Any]]


def take(fields: Json, key: str, kind: type, where: str) -> Any:
    """Remove and return `fields[key]`, which must be there and exactly of type `kind`."""
    if key not in fields:
        raise ContractError(f"{where}: field {key!r} must be present")
    value = fields.pop(key)
    if type(value) is not kind:
        raise ContractError(
            f"{where}: field {key!r} must be {kind.__name__}, not {type(value).__name__}"
        )
    return value


def _take_optional(fields: Json, key: str, where: str) -> Any:
    """Remove and return `fields[key]`, which must be there and may be None."""
    if key not in fields:
        raise ContractError(f"{where}: field {key!r} must be present")
    return fields.pop(key)


# -- writing -------------------------------------------------------------------------------------


def encode_layer(layer: Layer, tensors: Tensors) -> Json:
    """JSON object of `layer`; its arrays go into `tensors` under `<layer>.<field>`."""
    name = layer.name
    common: Json = {"name": name, "kind": str(layer.kind), "input": layer.input}
    match layer:
        case ThresholdLayer():
            return {**common, "output": _encode_output(name, layer.output, tensors)}
        case PoolLayer():
            output = layer.output and _encode_output(name, layer.output, tensors)
            pool = {**common, "kernel": _extents(layer.kernel), **_window(layer), "output": output}
            return pool if layer.skip is None else {**pool, "skip": _encode_skip(layer.skip)}
        case MacLayer():
            return {**common, **_encode_mac(layer, tensors)}
        case ConcatLayer():
            return {"name": name, "kind": str(layer.kind), "inputs": list(layer.inputs)}
        case UpsampleLayer():
            return {**common, "factor": _extents(layer.factor)}
        case _:
            assert_never(layer)


def _extents(values: tuple[int, ...]) -> int | list[int]:
    """One integer where all are equal (the only form of version 1), else all of them."""
    single = plain(values)
    return list(values) if single is None else single


def _window(layer: MacLayer | PoolLayer) -> Json:
    return {"stride": _extents(layer.stride), "padding": _extents(layer.padding)}


def _encode_skip(skip: Skip) -> Json:
    return {
        "tensor": skip.tensor,
        "stride": skip.stride,
        "channel_offset": skip.channel_offset,
    }


def _encode_mac(layer: MacLayer, tensors: Tensors) -> Json:
    name, mask = layer.name, (1 << layer.weight_width) - 1
    tensors[f"{name}.weights"] = pack(layer.weights.astype(np.int64) & mask, layer.weight_width)
    tensors[f"{name}.pad_codes"] = _compact(layer.pad_codes)
    return {
        "weights_shape": list(layer.weights.shape),
        "weight_width": layer.weight_width,
        "codebook": None if layer.codebook is None else list(layer.codebook.levels),
        **_window(layer),
        "groups": layer.groups,
        "skip": layer.skip and _encode_skip(layer.skip),
        "output": _encode_output(name, layer.output, tensors),
    }


def _encode_output(name: str, output: Threshold | Requant, tensors: Tensors) -> Json:
    match output:
        case Threshold():
            tensors[f"{name}.tau"] = _compact(output.tau)
            tensors[f"{name}.sign"] = _compact(output.sign)
            return {"stage": "threshold"}
        case Requant():
            tensors[f"{name}.multiplier"] = _compact(output.multiplier)
            tensors[f"{name}.bias"] = _compact(output.bias)
            return {
                "stage": "requant",
                "shift": output.shift,
                "skip_multiplier": output.skip_multiplier,
                "format": output.out.name,
            }
        case _:
            assert_never(output)


def _compact(array: Int64Array) -> npt.NDArray[Any]:
    """int32 where every value fits, else int64: the file's two integer types."""
    info = np.iinfo(np.int32)
    fits = info.min <= int(array.min()) and int(array.max()) <= info.max
    return np.ascontiguousarray(array, dtype=np.int32 if fits else np.int64)


# -- reading -------------------------------------------------------------------------------------


def decode_layer(value: Any, tensors: Tensors) -> Layer:
    """The layer that `value` describes; removes its tensors from `tensors`."""
    if not isinstance(value, dict):
        raise ContractError(f"Layer must be a JSON object, not {type(value).__name__}")
    fields = dict(value)
    name = take(fields, "name", str, "Layer")
    check_name(name)
    where = f"Layer {name!r}"
    kind_name = take(fields, "kind", str, where)
    if kind_name not in list(LayerKind):
        raise ContractError(
            f"{where}: kind must be one of {', '.join(sorted(LayerKind))}, not {shown(kind_name)}"
        )
    kind = LayerKind(kind_name)
    source = "" if kind is LayerKind.CONCAT else take(fields, "input", str, where)
    layer: Layer
    match kind:
        case LayerKind.THRESHOLD:
            stage = _decode_output(take(fields, "output", dict, where), name, tensors)
            if not isinstance(stage, Threshold):
                raise ContractError(f"{where}: output must be a threshold stage")
            layer = ThresholdLayer(name=name, input=source, output=stage)
        case LayerKind.AVG_POOL | LayerKind.MAX_POOL:
            layer = _decode_pool(fields, name, kind, source, tensors)
        case LayerKind.CONV | LayerKind.LINEAR:
            layer = _decode_mac(fields, name, kind, source, tensors)
        case LayerKind.CONCAT:
            layer = ConcatLayer(name=name, inputs=_names(fields, where))
        case LayerKind.UPSAMPLE:
            layer = UpsampleLayer(
                name=name, input=source, factor=_take_extents(fields, "factor", 2, where)
            )
        case _:
            assert_never(kind)
    if fields:
        raise ContractError(f"{where}: field must be a known one, not {shown(min(fields))}")
    return layer


def _decode_pool(
    fields: Json, name: str, kind: LayerKind, source: str, tensors: Tensors
) -> PoolLayer:
    where = f"Layer {name!r}"
    stage: Threshold | Requant | None = None
    if fields.get("output", 0) is None:
        fields.pop("output")
    else:
        stage = _decode_output(take(fields, "output", dict, where), name, tensors)
    if isinstance(stage, Threshold):
        raise ContractError(f"{where}: output must be a requant stage")
    skip = _decode_skip(fields.pop("skip"), where) if "skip" in fields else None
    return PoolLayer(
        name=name, input=source, kind=kind, output=stage, skip=skip,
        kernel=_take_extents(fields, "kernel", 2, where), **_take_window(fields, where),
    )  # fmt: skip


def _take_window(fields: Json, where: str) -> Json:
    sizes = {"stride": 2, "padding": 4}
    return {key: _take_extents(fields, key, count, where) for key, count in sizes.items()}


def _take_extents(fields: Json, key: str, count: int, where: str) -> Any:
    """Remove and return `fields[key]`: an integer, or a list of `count` that are not all equal."""
    value = _take_optional(fields, key, where)
    if type(value) is int:
        return (value,) * count
    values = _int_list(value, f"{where}: field {key!r}")
    if len(values) != count or plain(values) is not None:
        raise ContractError(
            f"{where}: field {key!r} must be one integer or {count} that differ, not {shown(value)}"
        )
    return values


def _names(fields: Json, where: str) -> tuple[str, ...]:
    names = take(fields, "inputs", list, where)
    if not all(isinstance(name, str) for name in names):
        raise ContractError(f"{where}: inputs must be names of tensors, not {shown(names)}")
    return tuple(names)


def _decode_mac(
    fields: Json, name: str, kind: LayerKind, source: str, tensors: Tensors
) -> MacLayer:
    where = f"Layer {name!r}"
    width = take(fields, "weight_width", int, where)
    if not 1 <= width <= 16:
        raise ContractError(f"{where}: weight_width must be in 1..16, not {shown(width)}")
    shape = _int_list(take(fields, "weights_shape", list, where), f"{where}: weights_shape")
    levels = _take_optional(fields, "codebook", where)
    codebook = None
    if levels is not None:
        codebook = Codebook(levels=_int_list(levels, f"{where}: codebook"), width=width)
    weights = _weights(tensors, name, shape, width, signed=codebook is None)
    skip = _take_optional(fields, "skip", where)
    window = _take_window(fields, where)
    return MacLayer(
        name=name,
        kind=kind,
        input=source,
        weights=weights,
        weight_width=width,
        codebook=codebook,
        pad_codes=_tensor(tensors, f"{name}.pad_codes", 1),
        skip=None if skip is None else _decode_skip(skip, where),
        output=_decode_output(take(fields, "output", dict, where), name, tensors),
        groups=take(fields, "groups", int, where),
        **window,
    )


def _decode_skip(value: Any, where: str) -> Skip:
    if not isinstance(value, dict):
        raise ContractError(f"{where}: skip must be an object, not {type(value).__name__}")
    fields = dict(value)
    skip = Skip(
        tensor=take(fields, "tensor", str, where),
        stride=take(fields, "stride", int, where),
        channel_offset=take(fields, "channel_offset", int, where),
    )
    if fields:
        raise ContractError(f"{where}: skip field must be a known one, not {shown(min(fields))}")
    return skip


def _decode_output(value: Json, name: str, tensors: Tensors) -> Threshold | Requant:
    where = f"Layer {name!r}"
    fields = dict(value)
    stage = take(fields, "stage", str, where)
    output: Threshold | Requant
    try:
        if stage == "threshold":
            output = Threshold(
                tau=_tensor(tensors, f"{name}.tau", 2), sign=_tensor(tensors, f"{name}.sign", 1)
            )
        elif stage == "requant":
            output = Requant(
                multiplier=_tensor(tensors, f"{name}.multiplier", 1),
                bias=_tensor(tensors, f"{name}.bias", 1),
                shift=take(fields, "shift", int, where),
                skip_multiplier=take(fields, "skip_multiplier", int, where),
                out=IntFormat.parse(take(fields, "format", str, where)),
            )
        else:
            raise ContractError(f"stage must be threshold or requant, not {shown(stage)}")
    except ContractError as error:  # the stage has no name of its layer
        message = str(error)
        raise ContractError(message if where in message else f"{where}: {message}") from error
    if fields:
        raise ContractError(f"{where}: output field must be a known one, not {shown(min(fields))}")
    return output


def _weights(
    tensors: Tensors, name: str, shape: tuple[int, ...], width: int, *, signed: bool
) -> Int64Array:
    where = f"Layer {name!r}: weights"
    if len(shape) != 4 or not all(0 < size <= 1 << 24 for size in shape):
        raise ContractError(f"{where} must be (Cout, Cin/groups, kh, kw), not {shown(shape)}")
    data = tensors.pop(f"{name}.weights", None)
    if data is None or data.dtype != np.uint8 or data.ndim != 1:
        raise ContractError(f"{where} must be packed uint8 bytes")
    count = shape[0] * shape[1] * shape[2] * shape[3]
    try:
        codes = unpack(data, width, count).reshape(shape)
    except ContractError as error:
        raise ContractError(f"{where}: {error}") from error
    return np.where(codes >> (width - 1), codes - (1 << width), codes) if signed else codes


def _tensor(tensors: Tensors, name: str, ndim: int) -> Int64Array:
    array = tensors.pop(name, None)
    if array is None:
        raise ContractError(f"Tensor {name!r} must be present")
    if array.dtype not in (np.int32, np.int64) or array.ndim != ndim or array.size == 0:
        raise ContractError(
            f"Tensor {name!r} must be int32 or int64 with {ndim} axes, "
            f"not {array.dtype} {array.shape}"
        )
    if array.dtype != _compact(array).dtype:
        raise ContractError(f"Tensor {name!r} must be int32 where every value fits, not int64")
    return array.astype(np.int64)


def _int_list(value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ContractError(f"{what} must be a list of integers, not {shown(value)}")
    return tuple(value)
