"""Resistance and capacitance of wires per um: the user's file, in one of two forms.

Lines of OpenROAD's scripts (`setRC.tcl`), of which no others are looked at; capacitances are in the
Liberty's unit, resistances in kOhm, per um:

    set_layer_rc -layer metal3 -resistance 3.6e-03 -capacitance 1.0e-01
    set_wire_rc -signal -layer metal3
    set_wire_rc -clock -layer metal5

or TOML (`.toml`):

    signal = ["metal3"]          # layers that wires are taken to be on, in equal shares
    clock = ["metal5"]
    [layers.metal3]
    ohm_per_um = 3.6
    ff_per_um = 0.10
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.reading import read_text, read_toml
from ...spec.host.text import printable, shown
from ..liberty.liberty import Library

LARGEST = 1e6
KINDS = ("signal", "clock")
_OHM_PER_KOHM = 1e3


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A wire of one um."""

    ohm: float
    ff: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WireRC:
    """What wires of signals and of the clock are made of."""

    source: str
    signal: Layer
    clock: Layer


def read_rc(path: Path, library: Library) -> WireRC:
    """The file at `path`; library: its unit of capacitance is that of a script."""
    what = f"Wire file '{printable(str(path))}'"
    if path.suffix.lower() == ".toml":
        layers, chosen = _toml(path, what)
    else:
        layers, chosen = _script(read_text(path, "Wire file"), what, library)
    return WireRC(
        source=printable(path.name),
        **{kind: _mean(chosen.get(kind), layers, f"{what}, {kind}") for kind in KINDS},
    )


def _mean(names: Any, layers: Mapping[str, Layer], what: str) -> Layer:
    if not (isinstance(names, list) and names):
        raise InputError(f"{what} must name one or more layers, not {shown(names)}")
    for name in names:
        if not isinstance(name, str) or name not in layers:
            raise InputError(f"{what} must name layers of the file, not {shown(name)}")
    found = [layers[name] for name in names]
    return Layer(
        ohm=sum(one.ohm for one in found) / len(found), ff=sum(one.ff for one in found) / len(found)
    )


def _toml(path: Path, what: str) -> tuple[dict[str, Layer], dict[str, Any]]:
    content = read_toml(path, "Wire file")
    tables = content.get("layers")
    if not isinstance(tables, dict) or set(content) - {"layers", *KINDS}:
        raise InputError(f"{what} must have layers, signal and clock, not {shown(list(content))}")
    layers = {}
    for name, table in tables.items():
        if not isinstance(table, dict) or set(table) != {"ohm_per_um", "ff_per_um"}:
            raise InputError(f"{what}, layer {shown(name)} must have ohm_per_um and ff_per_um")
        layers[name] = _layer(table["ohm_per_um"], table["ff_per_um"], f"{what}, {shown(name)}")
    return layers, content


def _layer(ohm: Any, ff: Any, what: str) -> Layer:
    for name, value in (("resistance", ohm), ("capacitance", ff)):
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and 0 <= value <= LARGEST):
            raise InputError(f"{what}: {name} per um must be at least 0, not {shown(value)}")
    return Layer(ohm=float(ohm), ff=float(ff))


def _script(
    text: str, what: str, library: Library
) -> tuple[dict[str, Layer], dict[str, list[str]]]:
    layers: dict[str, Layer] = {}
    chosen: dict[str, list[str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{what}, line {number}"
        words = line.split("#")[0].split()
        if words[:1] == ["set_layer_rc"] and "-via" not in words:
            options = _options(words[1:], where)
            ohm, ff = (
                _number(options.get(name), where) for name in ("-resistance", "-capacitance")
            )
            name = options.get("-layer", "")
            layers[name] = _layer(ohm * _OHM_PER_KOHM, ff * library.units.load_ff, where)
        elif words[:1] == ["set_wire_rc"]:
            kinds = [kind for kind in KINDS if f"-{kind}" in words] or list(KINDS)
            options = _options([w for w in words[1:] if w[1:] not in KINDS], where)
            named = re.sub(r"[{}\"]", " ", options.get("-layers", options.get("-layer", "")))
            chosen |= dict.fromkeys(kinds, named.split())
    return layers, chosen


def _options(words: list[str], where: str) -> dict[str, str]:
    """`-name value` by name; a value in braces may have several words."""
    found: dict[str, str] = {}
    name = None
    for word in words:
        if re.match(r"-[A-Za-z]", word):
            name = word
            found[name] = ""
        elif name is None:
            raise InputError(f"{where} must be options with values, not {shown(word)}")
        else:
            found[name] = f"{found[name]} {word}".strip()
    return found


def _number(text: str | None, where: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise InputError(f"{where} must have numbers per um, not {shown(text)}") from None
