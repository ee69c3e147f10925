"""The lookup-MAC family as one object: its answer step by step, its hardware, its time."""

from dataclasses import dataclass

import numpy as np

from ...spec.codebook import shift_factor
from ...spec.errors import InputError
from ...spec.formats import Int64Array, twos_complement
from ..arch.arch import Arch, Micro
from ..timing.schedule import Schedule, bin_count, schedule, table_slice
from .column import Column
from .lookup_mac import column_for


@dataclass(frozen=True, kw_only=True, slots=True)
class LookupMac:
    """A sum of one column on one layer: what `create` builds, `compute` calculates.

    act_width: bits of the layer's activation codes. codebook: its levels, or None when the weight
    fields are levels of `level_width` bits.
    """

    arch: Arch
    act_width: int
    codebook: tuple[int, ...] | None = None
    level_width: int = 8

    @property
    def schedule(self) -> Schedule:
        """Cycles of a beat and of the end of a sum."""
        width = self.level_width if self.codebook is None else None
        count = 0 if self.codebook is None else len(self.codebook)
        return schedule(self.arch, act_width=self.act_width, level_width=width, levels=count)

    def create(self) -> Column:
        """The hardware of one column."""
        return column_for(self.arch)

    def compute(self, activations: Int64Array, fields: Int64Array) -> int:
        """The column's result for the beats (depth, rows) of one sum, modulo 2^acc_width.

        In the order of the micro-architecture: what is added in a cycle of the hardware is added
        in a step here.
        """
        match self.arch.micro:
            case Micro.DECODE | Micro.UNIFORM:
                acc = sum(
                    int(a @ self._levels(w)) for a, w in zip(activations, fields, strict=True)
                )
            case Micro.BIT_SERIAL:
                acc = self._bit_serial(activations, fields)
            case Micro.PRODUCT_TABLE:
                acc = self._product_table(activations, fields)
            case Micro.BINNED:
                acc = self._binned(activations, fields)
            case Micro.SHIFT_ADD:
                acc = self._shift_add(activations, fields)
        return int(twos_complement(acc, self.arch.acc_width))

    def _levels(self, fields: Int64Array) -> Int64Array:
        """Levels that the fields stand for."""
        if self.codebook is not None and self.arch.micro is not Micro.UNIFORM:
            return np.array(self.codebook, np.int64)[fields]
        width = self.level_width if self.codebook is None else self.arch.level_width
        return twos_complement(fields, width)

    def _bit_serial(self, activations: Int64Array, fields: Int64Array) -> int:
        acc = 0
        for codes, levels in zip(activations, self._levels(fields), strict=True):
            for bit in range(self.schedule.act_digits):
                acc += int(levels[codes >> bit & 1 == 1].sum()) << bit
        return acc

    def _product_table(self, activations: Int64Array, fields: Int64Array) -> int:
        width, piece = self.arch.weight_width, table_slice(self.arch)
        half = 1 << (width - 1)
        integers = [code - (2 * half if code >= half else 0) for code in range(2 * half)]
        levels = integers if self.codebook is None else [*self.codebook]
        table = np.multiply.outer(np.arange(1 << piece), np.array(levels))
        acc, last = 0, self.schedule.level_digits - 1
        signed = self._levels(fields) if self.codebook is None else fields
        for codes, chosen in zip(activations, signed, strict=True):
            for at in range(self.schedule.level_digits):
                digit = chosen >> at * (width - 1) & (2 * half - 1 if at == last else half - 1)
                for step in range(self.schedule.act_digits):
                    part = codes >> step * piece & ((1 << piece) - 1)
                    acc += int(table[part, digit].sum()) << at * (width - 1) + step * piece
        return acc

    def _binned(self, activations: Int64Array, fields: Int64Array) -> int:
        bins = np.zeros((self.arch.rows, bin_count(self.arch)), np.int64)
        lanes = np.arange(self.arch.rows)
        for codes, chosen in zip(activations, fields, strict=True):
            if self.codebook is not None:
                live = chosen != 0
                bins[lanes[live], chosen[live] - 1] += codes[live]
                continue
            for bit in range(self.level_width):
                bins[:, bit] += codes * (chosen >> bit & 1)
        if bins.max(initial=0) >> self.arch.bin_width:
            raise InputError(f"Bins must be below 2^{self.arch.bin_width}, not {bins.max()}")
        count = self.schedule.final_cycles
        if self.codebook is None:
            worth = [(-1 if bit == count - 1 else 1) << bit for bit in range(count)]
        else:
            worth = [*self.codebook[1:], 0]
        return sum(int(bins[:, b].sum()) * worth[b] for b in range(count))

    def _shift_add(self, activations: Int64Array, fields: Int64Array) -> int:
        levels = self._levels(fields)
        if self.codebook is None:  # bit by bit, the top one subtracts
            place = [1 << bit for bit in range(self.level_width)]
            place[-1] = -place[-1]
            bits = levels[..., None] >> np.arange(self.level_width) & 1
            return sum(
                int((activations * bits[..., b]).sum()) * place[b] for b in range(len(place))
            )
        factor = shift_factor(self.codebook)
        if factor is None:
            raise InputError("Codebook must be of the form 0, +-2^s, +-C*2^s for shift_add")
        power = (np.abs(levels) & (np.abs(levels) - 1)) == 0  # 0 counts as one
        even = int((activations * levels * power).sum())
        odd = int((activations * (levels // factor) * ~power).sum())
        return even + factor * odd
