"""`program.npz`: a program as plain NumPy arrays, for whoever writes another engine.

Nothing is packed or nested: the entry `program` is one JSON string with shapes, formats and layers,
every other entry is an array `<layer>.<field>` of integers. docs/export.md describes each field and
has a reader that runs such a file.
"""

import io
import json
import zipfile
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from ...spec.activation import Threshold
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import Program
from ...spec.requant import Requant

FORMAT_VERSION = 1
_WHEN = (1980, 1, 1, 0, 0, 0)
"""Time of every entry, so that equal programs give equal bytes."""

Arrays = dict[str, npt.NDArray[Any]]
Json = dict[str, Any]


def npz_arrays(program: Program) -> Arrays:
    """Every entry of the file by its name."""
    arrays: Arrays = {}
    layers = [_layer(layer, arrays) for layer in program.layers]
    record = {
        "format_version": FORMAT_VERSION,
        "input_shape": list(program.input_shape),
        "input_format": program.input_format.name,
        "digest": program.digest,
        "layers": layers,
    }
    return {"program": np.array(json.dumps(record)), **arrays}


def npz_file(program: Program) -> bytes:
    """The bytes of the file, deflated; equal programs give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in npz_arrays(program).items():
            entry = zipfile.ZipInfo(f"{name}.npy", _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
    return out.getvalue()


def _layer(layer: Layer, arrays: Arrays) -> Json:
    common: Json = {"name": layer.name, "kind": str(layer.kind), "inputs": list(layer.reads)}
    match layer:
        case MacLayer():
            return {**common, **_mac(layer, arrays)}
        case ThresholdLayer():
            return {**common, **_stage(layer.name, layer.output, arrays)}
        case PoolLayer():
            window = {"kernel": list(layer.kernel), **_window(layer), **_skip(layer.skip)}
            return {**common, **window, **_stage(layer.name, layer.output, arrays)}
        case ConcatLayer():
            return common
        case UpsampleLayer():
            return {**common, "factor": list(layer.factor)}
        case _:
            assert_never(layer)


def _mac(layer: MacLayer, arrays: Arrays) -> Json:
    name = layer.name
    arrays[f"{name}.weights"] = layer.weights
    if layer.codebook is not None:
        arrays[f"{name}.codebook"] = _compact(np.asarray(layer.codebook.levels, np.int64))
    arrays[f"{name}.pad_codes"] = _compact(layer.pad_codes)
    return {
        "weight_width": layer.weight_width,
        "groups": layer.groups,
        **_window(layer),
        **_skip(layer.skip),
        **_stage(name, layer.output, arrays),
    }


def _window(layer: MacLayer | PoolLayer) -> Json:
    return {"stride": list(layer.stride), "padding": list(layer.padding)}


def _skip(skip: Skip | None) -> Json:
    if skip is None:
        return {}
    return {"skip_stride": skip.stride, "skip_channel_offset": skip.channel_offset}


def _stage(name: str, output: Threshold | Requant | None, arrays: Arrays) -> Json:
    match output:
        case None:
            return {}
        case Threshold():
            arrays[f"{name}.tau"] = _compact(output.tau)
            arrays[f"{name}.sign"] = _compact(output.sign)
            return {"stage": "threshold", "format": output.format.name}
        case Requant():
            arrays[f"{name}.multiplier"] = output.multiplier
            arrays[f"{name}.bias"] = output.bias
            return {
                "stage": "requant",
                "format": output.out.name,
                "shift": output.shift,
                "skip_multiplier": output.skip_multiplier,
            }
        case _:
            assert_never(output)


def _compact(array: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """The smallest integer type that holds every value: readers widen what they compute with."""
    low, high = int(array.min()), int(array.max())
    for dtype in (np.int8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    return array
