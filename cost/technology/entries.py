"""Entries: a number with its bar and its provenance, as tables of technologies have them."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.host.reading import exact_keys, positive_number
from ...spec.host.text import shown
from .accelergy import Ert

BAND_KEYS = ("low", "expected", "high")
ENTRY_KEYS = ("value", "unit", "source", "node", "note")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
"""Name of a table."""

exact = partial(exact_keys, lacking="must have {key}: nothing defaults")
"""Tables whose keys are all given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A number with its bar. Corners add and scale together: the errors are taken as common.

    >>> (Band(low=1.0, expected=2.0, high=4.0) + Band.exactly(0.5)) * 2.0
    Band(low=3.0, expected=5.0, high=9.0)
    """

    low: float
    expected: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> "Band":
        return cls(low=value, expected=value, high=value)

    def __add__(self, other: "Band") -> "Band":
        return Band(
            low=self.low + other.low,
            expected=self.expected + other.expected,
            high=self.high + other.high,
        )

    def __mul__(self, other: "Band | float | npt.NDArray[np.int64]") -> "Band":
        # a vector of `cost.estimate.points` computes as a number does
        by = other if isinstance(other, Band) else Band.exactly(cast(float, other))
        return Band(
            low=self.low * by.low, expected=self.expected * by.expected, high=self.high * by.high
        )

    def as_dict(self) -> dict[str, float]:
        return {key: getattr(self, key) for key in BAND_KEYS}


ZERO = Band.exactly(0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One number of a table with its provenance."""

    value: Band
    unit: str
    source: str
    node: str
    note: str


def parse_entry(name: str, data: object, unit: str, where: str, ert: Ert | None = None) -> Entry:
    """The entry `name` of a table in `unit`; `where` names the table in messages."""
    what = f"{where}, entry {name!r}"
    if ert is not None and isinstance(data, dict) and "ert" in data and "value" not in data:
        bars = ert.band(data["ert"], what)
        data = {k: v for k, v in data.items() if k != "ert"}
        data["value"] = dict(zip(BAND_KEYS, bars, strict=True))
    data = exact(data, ENTRY_KEYS, what)
    for key in ("unit", "source", "node", "note"):
        text_of(data, key, what)
    if data["unit"] != unit:
        raise InputError(f"{what}: unit must be {unit!r}, not {shown(data['unit'])}")
    texts = {key: data[key] for key in ENTRY_KEYS if key != "value"}
    return Entry(value=band_of(data["value"], what, "value"), **texts)


def band_of(data: object, what: str, key: str = "") -> Band:
    """A band of a file: three positive numbers in order. key: of the table that has it."""
    band = exact(data, BAND_KEYS, f"{what}, {key}" if key else what)
    low, expected, high = (positive_number(band[k], f"{what}: {k}") for k in BAND_KEYS)
    if not low <= expected <= high:
        raise InputError(
            f"{what}: {key or 'values'} must have low <= expected <= high, "
            f"not {low}, {expected}, {high}"
        )
    return Band(low=low, expected=expected, high=high)


def checked_name(name: object, what: str) -> str:
    """The name of a table: it stands in tables, on pages and in names of files."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"{what}: name must be letters, digits and ._+- (at most 64, a letter or digit first), "
            f"not {name!r}"
        )
    return name


def text_of(data: dict[str, Any], key: str, what: str) -> None:
    """Refuse a key that is not a text."""
    if not isinstance(data[key], str) or not data[key].strip():
        raise InputError(f"{what}: {key} must be a non-empty text, not {shown(data[key])}")
