"""Operands: a program's codes of some images, and what they toggle on arrays, counted once each.

Counting takes seconds for an array, pricing it by a characterization well below a millisecond: the
libraries of one array, placed ones too, share what is counted wherever their widths are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...spec.formats import IntArray
from ...spec.program import INPUT, Program
from ..output_stage.streams import output_stream, output_unit
from ..output_stage.terms import CYCLE, output_terms
from .toggles import Toggles, golden_tensors, layer_toggles

UnitTerms = Mapping[str, tuple[Mapping[str, float], ...]]
"""By layer that ends in an output unit, of each image: the numbers of `UNIT_TERMS`, without
`CYCLE`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """tensors: codes (N, C, H, W) by name, of the images that are counted."""

    program: Program
    tensors: Mapping[str, npt.NDArray[Any]]
    _arrays: dict[Arch, Toggles] = field(init=False, default_factory=dict)
    _units: dict[Arch, UnitTerms] = field(init=False, default_factory=dict)

    @classmethod
    def of_images(cls, program: Program, images: IntArray) -> "Operands":
        """Of `program` on images (N, C, H, W)."""
        return cls(program=program, tensors=golden_tensors(program, images))

    def toggles(self, arch: Arch) -> Toggles:
        """`layer_toggles` on the array."""
        if arch not in self._arrays:
            self._arrays[arch] = layer_toggles(self.program, arch, self.tensors)
        return self._arrays[arch]

    def unit_terms(self, arch: Arch) -> UnitTerms:
        """What the output stage behind the array toggles."""
        if arch not in self._units:
            self._units[arch] = {
                layer.name: tuple(
                    self._terms(arch, layer.name, image)
                    for image in range(len(self.tensors[INPUT]))
                )
                for layer in self.program.layers
                if output_unit(self.program, layer.name) is not None
            }
        return self._units[arch]

    def _terms(self, arch: Arch, name: str, image: int) -> Mapping[str, float]:
        stream = output_stream(arch, self.program, name, self.tensors, image=image)
        found = output_terms(arch, stream)
        return {term: count for term, count in found.items() if term != CYCLE}
