"""Characterizations of the output stage as TOML, like those of lane arrays.

[characterization]            library, voltage, assumptions, program, tools
[unit.NAME]                   widths, area, errors
[unit.NAME.energy_fj]         `output_fit.TERMS`
[[unit.NAME.test]]            a layer that was not fitted: measured, predicted, error
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...rtl.arch.arch import Arch
from ...spec.errors import InputError
from ...spec.host.text import shown
from .characterization_file import library_facts, numbers, read_tables
from .characterize import Plan
from .output_characterize import UnitCharacterization
from .output_fit import TERMS, OutputSample, output_errors, predict_output_fj


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitFit:
    """The coefficients of one unit, as read from a file."""

    library: str
    unit: str
    widths: Mapping[str, int]
    energy_fj: Mapping[str, float]
    area_um2: float
    error_percent: float
    """Worst absolute error of the tested layers."""


def widths_of(arch: Arch) -> dict[str, int]:
    """What of an array's widths the units are made of."""
    requant = arch.requant
    return {
        "acc_width": arch.acc_width,
        "threshold_width": arch.threshold_width,
        "out_width": arch.out_width,
        "multiplier_width": requant.multiplier_width,
        "bias_width": requant.bias_width,
        "skip_width": requant.skip_width,
        "skip_multiplier_width": requant.skip_multiplier_width,
        "shift_max": requant.shift_max,
    }


def record_units(
    found: Sequence[UnitCharacterization], plan: Plan, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """What the file says, as nested dictionaries. All of one library."""
    return {
        "characterization": {
            **library_facts(found[0].gates),
            **provenance,
            "behind": list(plan.test_size),
        },
        "unit": {entry.unit: _unit(entry) for entry in found},
    }


def _unit(entry: UnitCharacterization) -> dict[str, Any]:
    facts: dict[str, Any] = {
        **widths_of(entry.arch),
        "cells": entry.gates.cells,
        "flip_flops": entry.gates.flip_flops,
        "critical_path_ns": entry.gates.critical_path_ns,
        "unit_area_um2": entry.gates.area_um2,
        "fit_layers": sorted({sample.layer for sample in entry.fitted}),
    }
    for name, samples in (("fit", entry.fitted), ("test", entry.tested)):
        errors = output_errors(entry.energy_fj, samples)
        facts |= {
            f"{name}_samples": errors.samples,
            f"{name}_median_percent": errors.median,
            f"{name}_worst_percent": errors.worst,
        }
    rows = [_row(entry, sample) for sample in entry.tested]
    return {**facts, "energy_fj": dict(entry.energy_fj), "test": rows}


def _row(entry: UnitCharacterization, sample: OutputSample) -> dict[str, Any]:
    predicted = predict_output_fj(entry.energy_fj, sample.terms)
    return {
        "layer": sample.layer,
        "measured_pj_per_output": sample.energy_fj / sample.outputs / 1000,
        "predicted_pj_per_output": predicted / sample.outputs / 1000,
        "error_percent": 100 * (predicted / sample.energy_fj - 1),
    }


def load_units(path: Path) -> dict[str, UnitFit]:
    """The fits of a file by unit; anything amiss is refused with one line."""
    library, tables = read_tables(path, "unit")
    if sorted(tables) != sorted(TERMS):
        raise InputError(
            f"Characterization {str(path)!r} must have the units {', '.join(TERMS)}, not "
            f"{shown(list(tables))}"
        )
    return {name: _fit(str(path), library, name, table) for name, table in tables.items()}


def _fit(where: str, library: str, unit: str, table: Any) -> UnitFit:
    what = f"Characterization {where!r}, unit {shown(unit)}"
    names = (*widths_of(Arch(rows=1, cols=1)), "unit_area_um2", "test_worst_percent")
    own = numbers(what, table, names, others=True)
    return UnitFit(
        library=library,
        unit=unit,
        widths={name: int(own[name]) for name in names[:-2]},
        energy_fj=numbers(f"{what}, energy_fj", table.get("energy_fj"), TERMS[unit]),
        area_um2=own["unit_area_um2"],
        error_percent=abs(own["test_worst_percent"]),
    )
