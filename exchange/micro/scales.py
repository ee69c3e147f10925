"""Scale and zero point of every tensor: only their ratios matter, so most are free.

What fixes them: codes that padding inserts are real zero; pooling, joining and enlarging change no
code; an addition fixes the ratios of its three scales. A program that came from a TFLite file says
which scales it had, and these are taken.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.layers import (
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT, Program
from ..imported import Quantization

FILE = IntFormat(width=8, signed=True)
_RELU6 = 6.0
"""Where codes of less than 8 bits end, so that a fused RELU6 ends there too."""


def file_offset(fmt: IntFormat) -> int:
    """File code minus program code: unsigned codes begin at -128."""
    return 0 if fmt.signed else FILE.min


def quantizations(program: Program) -> dict[str, Quantization]:
    """Quantization of the file's codes of every tensor.

    Refuses formats of more than 8 bits, with what made them, and padding codes without one zero.
    """
    for name in program.tensors:
        fmt = program.tensor_format(name)
        if fmt.width > FILE.width:
            what = "Input" if name == INPUT else f"Layer {name!r}: output"
            raise InputError(
                f"{what} must have at most 8 bits, all that an int8 tensor of TFLite-Micro holds, "
                f"not {fmt.name}"
            )
    found = _Classes(program=program)
    return {name: found.quantization(name) for name in program.tensors}


@dataclass(kw_only=True, eq=False)
class _Classes:
    """Tensors that must have one scale and zero point, and what is known of these."""

    program: Program
    parent: dict[str, str] = field(init=False)
    zeros: dict[str, int] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parent = {name: name for name in self.program.tensors}
        for layer in self.program.layers:
            copies = isinstance(layer, ConcatLayer | UpsampleLayer)
            if copies or layer.kind is LayerKind.MAX_POOL:
                for source in layer.reads:
                    self.parent[self.root(source)] = self.root(layer.name)
        for layer in self.program.mac_layers:
            if any(layer.padding):
                self._pads(layer)
        for name, scale, zero in _said(self.program):
            self.scales.setdefault(self.root(name), scale)
            self.zeros.setdefault(self.root(name), zero)
        for layer in self.program.layers:
            if layer.skip is None and (isinstance(layer, ThresholdLayer) or layer.taps == 1):
                self._clamped(layer)
        for layer in self.program.layers:
            if isinstance(layer, PoolLayer) and layer.skip is not None:
                self._addition(layer)

    def root(self, name: str) -> str:
        while self.parent[name] != name:
            name = self.parent[name]
        return name

    def _pads(self, layer: MacLayer) -> None:
        codes = np.unique(layer.pad_codes)
        known = self.zeros.setdefault(self.root(layer.input), int(codes[0]))
        if len(codes) > 1 or known != codes[0]:
            raise InputError(
                f"Layer {layer.name!r}: padding must insert one code, the zero point of its input, "
                f"not {sorted({known, *codes.tolist()})}"
            )

    def _clamped(self, layer: Layer) -> None:
        """A clamp that an importer made a layer of its own keeps scale and zero."""
        if isinstance(layer, ConcatLayer | UpsampleLayer | MacLayer):
            return
        source, out = self.root(layer.input), self.root(layer.name)
        if source not in self.scales and source not in self.zeros and source != self.root(INPUT):
            self.scales |= {source: self.scales[out]} if out in self.scales else {}
            self.zeros |= {source: self.zeros[out]} if out in self.zeros else {}

    def _addition(self, layer: PoolLayer) -> None:
        """Scales in the ratio of the multipliers, where they are free."""
        assert layer.output is not None
        assert layer.skip is not None
        first, second = int(layer.output.multiplier[0]), layer.output.skip_multiplier
        if first <= 0 or second <= 0:
            return
        scale = self.scales.setdefault(self.root(layer.input), 1.0)
        self.scales.setdefault(self.root(layer.skip.tensor), _single(scale * second / first))
        power = float(1 << layer.output.shift)
        self.scales.setdefault(self.root(layer.name), _single(scale * power / first))

    def quantization(self, name: str) -> Quantization:
        fmt, root = self.program.tensor_format(name), self.root(name)
        narrow = fmt.width < FILE.width and not fmt.signed
        usual = _single(_RELU6 / fmt.max) if narrow else 1.0
        zero = self.zeros.get(root, 0) + file_offset(fmt)
        return Quantization(format=FILE, scale=self.scales.get(root, usual), zero_point=zero)


def _single(value: float) -> float:
    return float(np.float32(value))


def _said(program: Program) -> Iterator[tuple[str, float, int]]:
    """Tensor, scale and program code of zero that the program's provenance tells, where sound."""
    record = program.provenance.get("import")
    entries = record.get("tensors") if isinstance(record, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("quantization"), Mapping):
            continue
        name, offset = entry.get("tensor"), entry.get("offset")
        scale, zero = (entry["quantization"].get(key) for key in ("scale", "zero_point"))
        if name in program.tensors and _whole(offset) and _whole(zero) and _positive(scale):
            code, fmt = zero - offset, program.tensor_format(name)
            if fmt.contains(code, code):
                yield name, _single(scale), code


def _whole(value: Any) -> bool:
    return type(value) is int


def _positive(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value) and _single(value) > 0
