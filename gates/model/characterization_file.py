"""Characterizations as TOML: coefficients, errors and where they come from; nothing of a library.

[characterization]                  library, voltage, assumptions, program, tools, layers
[micro.NAME]                        widths, sizes, area and its error
[micro.NAME.energy_fj]              `gate_fit.terms_of`
[micro.NAME.area_um2]               `structure.STRUCTURE`
[[micro.NAME.test]]                 a layer that was not fitted: measured, predicted, error
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.files import atomic_path
from ...spec.host.reading import MOST, read_toml
from ...spec.host.text import shown
from ..array.bench import ArrayGates
from ..array.structure import STRUCTURE
from .characterize import Characterization, Plan
from .fit import predict_fj, terms_of

WIDTHS = ("act_width", "weight_width", "level_width", "acc_width", "bin_width", "channels")
"""What of an `Arch` a lane array is made of, but for its size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """The coefficients of one micro-architecture, as read from a file."""

    library: str
    micro: str
    widths: Mapping[str, int]
    energy_fj: Mapping[str, float]
    area_um2: Mapping[str, float]
    error_percent: float
    """Worst absolute error of the tested layers with real operands."""
    sizes: tuple[tuple[int, int], ...] = ()
    """(rows, cols) of the arrays that were measured, to fit or to test; none are known: ()."""


def record(
    found: Sequence[Characterization], plan: Plan, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """What the file says, as nested dictionaries. All of one library."""
    return {
        "characterization": {
            **library_facts(found[0].gates),
            **provenance,
            "fit_sizes": [list(size) for size in plan.sizes],
            "test_size": list(plan.test_size),
            "beats": plan.beats,
            "fit_layers": sorted({s.layer for s in found[0].fitted}),
            "test_layers": sorted({s.layer for s in found[0].tested}),
        },
        "micro": {entry.micro: _micro(entry) for entry in found},
    }


def library_facts(gates: ArrayGates) -> dict[str, Any]:
    """Library and assumptions, as every characterization begins with them."""
    assumed = gates.assumptions
    return {
        "liberty": gates.liberty,
        "voltage": gates.voltage,
        "slew_ns": assumed.slew_ns,
        "period_ns": assumed.period_ns,
        "wire_factor": assumed.wire_factor,
    }


def _micro(entry: Characterization) -> dict[str, Any]:
    return {
        **{name: getattr(entry.arch, name) for name in WIDTHS},
        "cells": entry.gates.cells,
        "flip_flops": entry.gates.flip_flops,
        "critical_path_ns": entry.gates.critical_path_ns,
        "measured_area_um2": entry.gates.area_um2,
        "area_error_percent": entry.area_error_percent,
        **_errors(entry),
        "energy_fj": dict(entry.energy_fj),
        "area_um2": dict(entry.area_um2),
        "test": [_row(entry, sample) for sample in entry.tested],
    }


def _errors(entry: Characterization) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for operands in ("real", "random"):
        for tested in (False, True):
            errors = entry.errors(operands, tested=tested)
            name = f"{'test' if tested else 'fit'}_{operands}"
            found |= {
                f"{name}_samples": errors.samples,
                f"{name}_median_percent": errors.median,
                f"{name}_worst_percent": errors.worst,
            }
    return found


def _row(entry: Characterization, sample: Any) -> dict[str, Any]:
    predicted = predict_fj(entry.energy_fj, sample)
    return {
        "layer": sample.layer,
        "operands": sample.operands,
        "measured_pj_per_mac": sample.energy_fj / sample.macs / 1000,
        "predicted_pj_per_mac": predicted / sample.macs / 1000,
        "error_percent": 100 * (predicted / sample.energy_fj - 1),
    }


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write `record`'s dictionaries, or those of the output stage, as TOML."""
    lines = ["[characterization]", *_pairs(content["characterization"])]
    named = [
        (f"{kind}.{name}", table)
        for kind, tables in content.items()
        if kind != "characterization"
        for name, table in tables.items()
    ]
    for name, table in named:
        lines += ["", f"[{name}]", *_pairs(table)]
        for part in ("energy_fj", "area_um2"):
            if part in table:
                lines += ["", f"[{name}.{part}]", *_pairs(table[part])]
        for row in table["test"]:
            lines += ["", f"[[{name}.test]]", *_pairs(row)]
    with atomic_path(path) as unfinished:
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pairs(table: Mapping[str, Any]) -> list[str]:
    """Lines of a table without its sub-tables: JSON's numbers, words and lists are TOML's."""
    return [
        f"{key} = {json.dumps(float(f'{value:.6g}') if isinstance(value, float) else value)}"
        for key, value in table.items()
        if key not in ("energy_fj", "area_um2", "test")
    ]


def load(path: Path) -> dict[str, Fit]:
    """The fits of a file by micro-architecture; anything amiss is refused with one line."""
    library, micros = read_tables(path, "micro")
    sizes = _sizes(read_content(path)["characterization"], str(path))
    return {
        name: replace(_fit(str(path), library, name, table), sizes=sizes)
        for name, table in micros.items()
    }


def _sizes(head: Mapping[str, Any], where: str) -> tuple[tuple[int, int], ...]:
    """Sizes of the measured arrays; a file without them has no tested size."""
    fitted = head.get("fit_sizes", [])
    listed = fitted if isinstance(fitted, list) else [fitted]
    listed = [*listed, *([head["test_size"]] if "test_size" in head else [])]
    for size in listed:
        good = isinstance(size, list) and len(size) == 2
        if not good or any(type(n) is not int or not 1 <= n <= 1 << 16 for n in size):
            raise InputError(
                f"Characterization {where!r} must have fit_sizes and test_size of two positive "
                f"integers, not {shown(size)}"
            )
    return tuple((rows, cols) for rows, cols in listed)


def read_content(path: Path) -> dict[str, Any]:
    """The file as nested dictionaries, unchecked."""
    return read_toml(path, "Characterization")


def read_tables(path: Path, kind: str) -> tuple[str, dict[str, Any]]:
    """The library and the [kind.NAME] tables of a file."""
    content = read_content(path)
    tables = content.get(kind)
    if not isinstance(tables, dict) or not tables:
        raise InputError(f"Characterization {str(path)!r} must have [{kind}.NAME] tables, not none")
    head = content.get("characterization")
    library = head.get("liberty") if isinstance(head, dict) else None
    if not isinstance(library, str):
        raise InputError(
            f"Characterization {str(path)!r} must name its liberty, not {shown(library)}"
        )
    return library, tables


def _fit(where: str, library: str, micro: str, table: Any) -> Fit:
    what = f"Characterization {where!r}, micro {shown(micro)}"
    if not isinstance(table, dict):
        raise InputError(f"{what} must be a table, not {shown(table)}")
    parts = {
        part: numbers(f"{what}, {part}", table.get(part), names)
        for part, names in (("energy_fj", terms_of(micro)), ("area_um2", STRUCTURE))
    }
    own = numbers(what, table, (*WIDTHS, "test_real_worst_percent"), others=True)
    return Fit(
        library=library,
        micro=micro,
        widths={name: int(own[name]) for name in WIDTHS},
        error_percent=abs(own["test_real_worst_percent"]),
        **parts,
    )


def numbers(
    what: str, table: Any, names: Sequence[str], *, others: bool = False
) -> dict[str, float]:
    """The named numbers of a table; others: it may have more, and they may be negative."""
    if not isinstance(table, dict):
        raise InputError(f"{what} must be a table, not {shown(table)}")
    wrong = [f"not lack {name!r}" for name in names if name not in table]
    wrong += [f"not also {shown(name)}" for name in table if name not in names and not others]
    if wrong:
        raise InputError(f"{what} must have {', '.join(names)}, {wrong[0]}")
    for name in names:
        value = table[name]
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and abs(value) <= MOST):  # nor NaN, nor an integer that no float holds
            raise InputError(f"{what}, {name} must be a finite number, not {shown(value)}")
        if others is False and value < 0:
            raise InputError(f"{what}, {name} must be at least 0, not {shown(value)}")
    return {name: float(table[name]) for name in names}
