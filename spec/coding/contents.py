"""What a program computes, as JSON header and tensors, and its digest (contract section 9)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formats import IntFormat
from ..layers import Layer
from .layer_codec import Json, Tensors, encode_layer


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contents:
    """Contract version, input and layers; provenance does not take part."""

    header: Json
    tensors: Tensors

    @classmethod
    def of(
        cls, version: int, shape: Sequence[int], fmt: IntFormat, layers: Sequence[Layer]
    ) -> "Contents":
        tensors: Tensors = {}
        header = {
            "contract_version": version,
            "input_shape": list(shape),
            "input_format": fmt.name,
            "layers": [encode_layer(layer, tensors) for layer in layers],
        }
        return cls(header=header, tensors=tensors)

    @property
    def digest(self) -> str:
        return sha256(self.header, self.tensors)


def canonical(value: Mapping[str, Any]) -> str:
    """The one JSON text of `value`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(header: Mapping[str, Any], tensors: Tensors) -> str:
    """SHA-256 of the header's JSON text and of all tensors by name."""
    sha = hashlib.sha256(canonical(header).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        sha.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
        sha.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()
