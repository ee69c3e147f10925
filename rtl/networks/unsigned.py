"""Signed activations as unsigned ones: the lanes of the array take unsigned codes.

A tensor of s_w that a layer with sums reads becomes u_w by adding 2^(w-1) to every code. Its
producer adds the offset, its readers take it out again, exactly: nothing is rounded twice, because
a multiple of 2^shift goes through the shift of a requant unchanged. Codes, sums and results of the
program that runs differ from the original's by constants; everything else is the same, cycles too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar, assert_never, cast
from weakref import WeakKeyDictionary

import numpy as np

from ...spec.activation import Threshold
from ...spec.errors import ContractError, InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT, Program, SizedNetwork
from ...spec.requant import BIAS_FORMAT, Requant

Offsets = Mapping[str, int]
"""By tensor, what its codes on the array have more than the original program's; 0: not named."""

_NONE: Offsets = MappingProxyType({})
_made: WeakKeyDictionary[Program, tuple[Program | None, Offsets]] = WeakKeyDictionary()
Network = TypeVar("Network", bound=SizedNetwork)


def as_unsigned(program: Network) -> tuple[Network, Offsets]:
    """The program that the array runs in place of `program`, and the offsets of its tensors.

    A program whose layers with sums read unsigned codes only is returned itself. Refused is one
    that leaves the contract's widths on the way, with its layer. Images of the result are those of
    the program plus the input's offset.
    """
    if not isinstance(program, Program):
        return program, _NONE  # a table of shapes has no codes
    if program not in _made:
        offsets = _offsets(program)
        made = _Rewriter(program, offsets).program() if offsets else None
        _made[program] = made, MappingProxyType(offsets)
    made, found = _made[program]
    return program if made is None else cast(Network, made), found


def _offsets(program: SizedNetwork) -> dict[str, int]:
    """Tensors that are read by sums, and those whose codes are the same: through layers that only
    move codes."""
    same: dict[str, set[str]] = {}
    found = []
    for layer in program.layers:
        match layer:
            case MacLayer():
                found.append(layer.input)
            case PoolLayer() if layer.sums:
                found.append(layer.input)
            case PoolLayer() | ConcatLayer() | UpsampleLayer():
                for name in layer.reads:
                    same.setdefault(name, set()).add(layer.name)
                    same.setdefault(layer.name, set()).add(name)
            case ThresholdLayer():
                pass
            case _:
                assert_never(layer)
    found = [name for name in found if program.tensor_format(name).signed]
    offsets: dict[str, int] = {}
    while found:
        name = found.pop()
        if name not in offsets:
            offsets[name] = 1 << (program.tensor_format(name).width - 1)
            found += sorted(same.get(name, ()))
    return offsets


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    """What sums, residual codes (both per channel) and codes have more than in the original."""

    sums: Int64Array
    skip: Int64Array
    codes: int


class _Rewriter:
    def __init__(self, original: Program, offsets: Mapping[str, int]) -> None:
        self.original, self.offsets = original, offsets

    def program(self) -> Program:
        original = self.original
        try:
            return replace(
                original,
                input_format=self._format(INPUT, original.input_format),
                layers=tuple(self._layer(layer) for layer in original.layers),
            )
        except ContractError as error:
            raise InputError(f"Program must have room for unsigned codes: {error}") from error

    def _format(self, tensor: str, fmt: IntFormat) -> IntFormat:
        return IntFormat(width=fmt.width) if tensor in self.offsets else fmt

    def _layer(self, layer: Layer) -> Layer:
        if not any(name in self.offsets for name in (*layer.reads, layer.name)):
            return layer
        match layer:
            case ConcatLayer() | UpsampleLayer():
                return layer
            case PoolLayer() if layer.output is None:
                return layer
            case ThresholdLayer():
                stage = self._output(layer, self._taps(layer))
                assert isinstance(stage, Threshold)
                return replace(layer, output=stage)
            case PoolLayer():
                total = self._output(layer, self._taps(layer))
                assert isinstance(total, Requant)
                return replace(layer, output=total)
            case MacLayer():
                read = self.offsets.get(layer.input, 0)
                output = self._output(layer, self._taps(layer))
                return replace(layer, pad_codes=layer.pad_codes + read, output=output)
            case _:
                assert_never(layer)

    def _taps(self, layer: MacLayer | PoolLayer | ThresholdLayer) -> Int64Array:
        """(channels,) sums of the levels: what one more in every code adds to a sum."""
        if isinstance(layer, MacLayer):
            return np.asarray(layer.levels.sum(axis=(1, 2, 3)))
        channels = self.original.tensor_shape(layer.name)[0]
        return np.full(channels, layer.taps, np.int64)

    def _output(
        self, layer: MacLayer | PoolLayer | ThresholdLayer, taps: Int64Array
    ) -> Threshold | Requant:
        """The output stage that takes the offsets out of its sums and adds that of its codes."""
        output = layer.output
        assert output is not None
        sums = self.offsets.get(layer.input, 0) * taps
        match output:
            case Threshold():
                return self._threshold(layer, output, sums) if sums.any() else output
            case Requant():
                change = _Change(
                    sums=sums,
                    skip=self._skip(layer.skip, len(taps)),
                    codes=self.offsets.get(layer.name, 0),
                )
                return self._requant(layer, output, change)
            case _:
                assert_never(output)

    def _skip(self, skip: Skip | None, channels: int) -> Int64Array:
        """(channels,) offsets of the residual codes; those outside the tensor stay 0."""
        found = np.zeros(channels, np.int64)
        if skip is not None:
            count = self.original.tensor_shape(skip.tensor)[0]
            found[skip.channel_offset :][:count] = self.offsets.get(skip.tensor, 0)
        return found

    def _threshold(
        self, layer: MacLayer | PoolLayer | ThresholdLayer, output: Threshold, sums: Int64Array
    ) -> Threshold:
        """Thresholds moved with the sums. One that no sum reaches, or every one, stays so."""
        top = (1 << self.original.tensor_format(layer.input).width) - 1
        low, high = np.zeros_like(sums), np.full_like(sums, top)
        if isinstance(layer, MacLayer):
            flat = layer.levels.reshape(len(sums), -1)
            low, high = np.minimum(flat, 0).sum(axis=1) * top, np.maximum(flat, 0).sum(axis=1) * top
        sign = np.broadcast_to(output.sign, sums.shape)
        least, most = np.where(sign > 0, low, -high), np.where(sign > 0, high, -low) + 1
        tau = output.tau + (sign * sums)[:, None]
        return Threshold(tau=np.clip(tau, least[:, None], most[:, None]), sign=sign)

    def _requant(
        self, layer: MacLayer | PoolLayer | ThresholdLayer, output: Requant, change: _Change
    ) -> Requant:
        shape = change.sums.shape
        stage = (np.broadcast_to(x, shape).tolist() for x in (output.multiplier, output.bias))
        channels = zip(*stage, change.sums.tolist(), change.skip.tolist(), strict=True)
        bias = [  # Python integers: one that does not fit must be seen
            b - m * more - output.skip_multiplier * skip + (change.codes << output.shift)
            for m, b, more, skip in channels
        ]
        if not BIAS_FORMAT.contains(min(bias), max(bias)):
            raise ContractError(
                f"Layer {layer.name!r}: bias must fit {BIAS_FORMAT.name}, not reach "
                f"{min(bias)}..{max(bias)}"
            )
        shared = output.channels == 1 and len(set(bias)) == 1
        return replace(
            output,
            multiplier=output.multiplier if shared else np.broadcast_to(output.multiplier, shape),
            bias=np.array(bias[:1] if shared else bias, np.int64),
            out=self._format(layer.name, output.out),
        )
