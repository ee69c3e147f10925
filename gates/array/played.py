"""Streams of either kind of lane array: of a layer, and what they toggle."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...spec.program import Program
from .held_streams import HeldStream, alone, held_random_twin, held_recorded, held_toggles
from .streams import OperandStream, random_twin, recorded

Stream = OperandStream | HeldStream
"""Of an array of the first kind, or of one that holds weights."""


def array_streams(
    arch: Arch,
    program: Program,
    name: str,
    tensors: Mapping[str, npt.NDArray[Any]],
    *,
    image: int = 0,
    most_beats: int | None = None,
    seed: int | None = None,
) -> list[Stream]:
    """`recorded` or `held_recorded` and, with a seed, its random twin."""
    take = held_recorded if arch.holds else recorded
    real: Stream = take(arch, program, name, tensors, image=image, most_beats=most_beats)
    return [real] if seed is None else [real, random_stream(real, seed)]


def waiting(stream: Stream) -> list[Stream]:
    """The stream in which an array that holds weights mostly waits; of others none."""
    return [alone(stream)] if isinstance(stream, HeldStream) else []


def random_stream(stream: Stream, seed: int) -> Stream:
    """The same beats with uniform random operands in every lane."""
    if isinstance(stream, HeldStream):
        return held_random_twin(stream, seed)
    return random_twin(stream, seed)


def array_toggles(arch: Arch, stream: Stream) -> dict[str, float]:
    """Bits by term that the stream changes."""
    if isinstance(stream, HeldStream):
        return held_toggles(arch, stream)
    return arch.lanes.toggles(arch, stream)
