"""Input and result of every engine, and the checks of its input."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from .errors import ContractError
from .formats import IntArray
from .host.text import shown
from .program import INPUT, Program

Keep = Collection[str] | Literal["all"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """logits: (N, classes) int32. tensors: codes (N, C, H, W) of the requested tensors."""

    logits: npt.NDArray[np.int32]
    tensors: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


class Engine(Protocol):
    """`run(program, images, keep)`: the same signature, and the same bits, for every engine."""

    def __call__(self, program: Program, images: IntArray, keep: Keep = ()) -> Result: ...


def check_images(program: Program, images: IntArray) -> npt.NDArray[Any]:
    """`images` as a C-ordered (N, C, H, W) array of the program's input format, or refuse."""
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[1:] != tuple(program.input_shape):
        c, h, w = program.input_shape
        raise ContractError(f"Input must be (N, {c}, {h}, {w}), not {array.shape}")
    program.input_format.check(array, "Input code")
    return np.ascontiguousarray(array, dtype=program.input_format.dtype)


def wanted(program: Program, keep: Keep) -> frozenset[str]:
    """Names of the tensors to keep; refuses an unknown one."""
    names = frozenset(program.tensors)
    if keep == "all":
        return names - {INPUT}
    unknown = sorted(set(keep) - names)
    if unknown:
        raise ContractError(f"Traced tensor must be one of the program's, not {shown(unknown[0])}")
    return frozenset(keep)


def as_logits(program: Program, codes: IntArray) -> npt.NDArray[np.int32]:
    """(N, classes) int32 from the last layer's (N, C, H, W) codes: every tensor fits s32."""
    size = prod(codes.shape[1:])  # not -1: it has no meaning for zero images
    return np.ascontiguousarray(codes.reshape(len(codes), size), dtype=np.int32)


def logits_sha256(logits: npt.NDArray[np.int32]) -> str:
    """SHA-256 of the int32 logits, C order, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(logits, dtype="<i4").tobytes()).hexdigest()
