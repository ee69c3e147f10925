"""DRAM types: energy per bit, bandwidth and times, each with its source.

A type is a TOML file with one table, `[dram]`, that has exactly the fields of `Dram`. Its times are
those of the memory model of accelerators with external memory (`rtl.timing.dram.DramModel`): at a
clock they become that model's cycles, which the cycle model and the simulated memory share. The
supply is DRAM's own: the chip's voltage does not scale it.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...rtl.arch.external import External
from ...rtl.timing.dram import MEMORY_RANGES, DramModel
from ...spec.errors import InputError
from ...spec.host.reading import (
    exact_fields,
    parse_toml,
    positive_number,
)
from ...spec.host.text import shown
from .entries import Band, band_of, checked_name, exact, text_of
from .shipped import Shipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Dram:
    """A DRAM as it is bought."""

    name: str
    summary: str
    pj_per_bit: Band
    """Device, interface and their standing power at full bandwidth."""
    pj_source: str
    bandwidth_gbytes_s: float
    """10^9 bytes per second, peak."""
    bandwidth_source: str
    column_ns: float
    """From a read command to its first data, the row being open."""
    row_ns: float
    """To close a row and to open another."""
    row_bytes: int
    """Of the row that is open across the whole width; a power of two."""
    timing_source: str
    controller_ns: float
    """Spent outside the device, both ways."""
    controller_source: str

    def bits_per_cycle(self, clock_mhz: float) -> float:
        """Peak bandwidth in bits per cycle of the chip."""
        return self.bandwidth_gbytes_s * 8e3 / clock_mhz

    def model(self, clock_mhz: float, external: External) -> DramModel:
        """The times in cycles, each rounded up; beats as wide as the bus of `external`."""
        cycles_per_ns = clock_mhz / 1e3
        values = {
            "latency": _up((self.column_ns + self.controller_ns) * cycles_per_ns, 1),
            "beat_cycles": _up(external.bus_width / self.bits_per_cycle(clock_mhz), 1),
            "row_bytes": self.row_bytes,
            "row_miss": _up(self.row_ns * cycles_per_ns, 0),
        }
        for name, value in values.items():
            most = MEMORY_RANGES[name][1]
            if value > most:
                raise InputError(
                    f"Clock must be so slow that DRAM {self.name!r} has {name} of at most {most} "
                    f"cycles, not {value} at {clock_mhz:g} MHz"
                )
        return DramModel(**values)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, as in `estimate --json`."""
        return {
            "name": self.name,
            "summary": self.summary,
            "pj_per_bit": self.pj_per_bit.as_dict(),
            "pj_source": self.pj_source,
            "bandwidth_gbytes_s": self.bandwidth_gbytes_s,
            "latency_ns": self.column_ns + self.controller_ns,
            "row_miss_ns": self.row_ns,
            "row_bytes": self.row_bytes,
            "timing_source": self.timing_source,
        }


def available_drams() -> list[str]:
    """Names of the types that ship with the package."""
    return DRAMS.names()


def load_dram(name: str | Path) -> Dram:
    """The shipped type called `name`, or the one in the file `name` (ending in .toml)."""
    return DRAMS.load(name)


def parse_dram(text: str, where: str) -> Dram:
    """Build and check a type from TOML text; `where` names it in messages."""
    what = f"DRAM type {where!r}"
    data = exact(parse_toml(text, what), ("dram",), what)
    fields = dict(
        exact_fields(data["dram"], Dram, what, lacking="must have {key}: nothing defaults")
    )
    fields["name"] = checked_name(fields["name"], what)
    for key in ("summary", "pj_source", "bandwidth_source", "timing_source", "controller_source"):
        text_of(fields, key, what)
    for key in ("bandwidth_gbytes_s", "column_ns", "row_ns", "controller_ns"):
        fields[key] = positive_number(fields[key], f"{what}: {key}")
    rows = fields["row_bytes"]
    most = MEMORY_RANGES["row_bytes"][1]
    if type(rows) is not int or not 1 <= rows <= most or rows & (rows - 1):
        raise InputError(
            f"{what}: row_bytes must be a power of two up to {most}, not {shown(rows)}"
        )
    fields["pj_per_bit"] = band_of(fields["pj_per_bit"], f"{what}, pj_per_bit")
    return Dram(**fields)


def _up(value: float, least: int) -> int:
    """Rounded up, forgiving what a float adds to a whole number."""
    return max(least, math.ceil(round(value, 9)))


DRAMS = Shipped(
    folder="dram",
    noun="DRAM",
    file="DRAM type",
    parse=lambda text, where, _: parse_dram(text, where),
)
