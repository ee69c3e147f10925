"""Characterizations as TOML: coefficients, errors and where they come from; nothing of a library.

[characterization]                  library, node, voltage, assumptions, program, tools, layers
[micro.NAME], [held.NAME] (of an array that holds weights) or [unit.NAME]
                                    widths, sizes, area, errors; a unit's area is measured
[micro.NAME.energy_fj]              `parts.terms_of`
[held.NAME.sums_fj]                 the part of it in the memories of sums; errors of the rest have
                                    names with `rest_`, test rows are the whole's and the sums'
[micro.NAME.area_um2]               `structure.STRUCTURE`
[[micro.NAME.test]]                 a layer that was not fitted: measured, predicted, error; where
                                    it was placed, `unplaced_` and the same gates without wires
[micro.NAME.wires.ROWSxCOLS]        lengths, repeaters and clock tree of a placed array
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.files import write_file
from ...spec.host.reading import MOST, exact_keys, positive_number, read_toml
from ...spec.host.text import shown
from ..array.streams import RANDOM, REAL
from ..array.structure import STRUCTURE
from ..output_stage.terms import UNIT_TERMS
from .characterize import Characterization, Plan
from .fit import PLACED, Fit, constant_area
from .linear import Sample, errors_of, predict
from .parts import ARRAYS, HELD_KINDS, PER, WIDTHS, Part, terms_of, widths_of

PATH = "critical_path_ns"
AREA = {**dict.fromkeys(ARRAYS, "measured_area_um2"), Part.UNIT: "unit_area_um2"}
WORST = {**dict.fromkeys(ARRAYS, "test_real_worst_percent"), Part.UNIT: "test_worst_percent"}
REST = "rest_"
"""Before the names of errors of what is left without the memories of sums."""
REST_WORST = REST + WORST[Part.HELD]


def record(
    entries: Sequence[Characterization], plan: Plan, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Content of the file as nested dictionaries. All of one library and part."""
    first = entries[0]
    assumed = first.gates.assumptions
    head = {
        "liberty": first.gates.liberty,
        "voltage": first.gates.voltage,
        "slew_ns": assumed.slew_ns,
        "period_ns": assumed.period_ns,
        "wire_factor": assumed.wire_factor,
        **_placing(plan),
        **provenance,
    }
    if first.part in ARRAYS:
        head |= {
            "fit_sizes": [list(size) for size in plan.sizes],
            "test_size": list(plan.test_size),
            "beats": plan.beats,
            "fit_layers": _layers(first.fitted),
            "test_layers": _layers(first.tested),
        }
    else:
        head["behind"] = list(plan.test_size)
    tables = {entry.name: _table(entry) for entry in entries}
    return {"characterization": head, str(first.part): tables}


def _placing(plan: Plan) -> dict[str, Any]:
    if plan.placing is None:
        return {}
    found = {"placed": True, "placement": plan.placing.options.to_dict()}
    return found if plan.repair is None else {**found, "repaired": True}


def _layers(samples: Sequence[Sample]) -> list[str]:
    return sorted({sample.layer for sample in samples})


def _table(entry: Characterization) -> dict[str, Any]:
    table: dict[str, Any] = {
        **widths_of(entry.arch, WIDTHS[entry.part]),
        **_kind(entry),
        "cells": entry.gates.cells,
        "flip_flops": entry.gates.flip_flops,
        PATH: entry.gates.critical_path_ns,
        AREA[entry.part]: entry.gates.area_um2,
    }
    if entry.part in ARRAYS:
        table["area_error_percent"] = entry.area_error_percent
    else:
        table["fit_layers"] = _layers(entry.fitted)
    table |= _errors(entry)
    if entry.sums_fj is not None:
        table |= _errors(_rest(entry), REST)
    table["energy_fj"] = dict(entry.energy_fj)
    if entry.sums_fj is not None:
        table["sums_fj"] = dict(entry.sums_fj)
    if entry.part in ARRAYS:
        table["area_um2"] = dict(entry.area_um2)
    if entry.wires:
        table["wires"] = {name: wires.to_dict() for name, wires in entry.wires.items()}
    return table | {"test": [_row(entry, sample) for sample in entry.tested]}


def _kind(entry: Characterization) -> dict[str, int]:
    return widths_of(entry.arch, HELD_KINDS) if entry.part is Part.HELD else {}


def _rest(entry: Characterization) -> Characterization:
    """Without the memories of sums."""
    sums = entry.sums_fj or {}
    return replace(
        entry,
        energy_fj={name: fj - sums.get(name, 0.0) for name, fj in entry.energy_fj.items()},
        sums_fj=None,
        fitted=tuple(sample.rest for sample in entry.fitted),
        tested=tuple(sample.rest for sample in entry.tested),
    )


def _errors(entry: Characterization, before: str = "") -> dict[str, Any]:
    """Of fitted and tested samples; an array's by their operands, a unit's are real ones."""
    facts: dict[str, Any] = {}
    for operands in (REAL, RANDOM) if entry.part in ARRAYS else (REAL,):
        for stage, samples in (("fit", entry.fitted), ("test", entry.tested)):
            name = before + (f"{stage}_{operands}" if entry.part in ARRAYS else stage)
            errors = errors_of(entry.energy_fj, [s for s in samples if s.operands == operands])
            facts |= {
                f"{name}_samples": errors.samples,
                f"{name}_median_percent": errors.median,
                f"{name}_worst_percent": errors.worst,
            }
    return facts


def _row(entry: Characterization, sample: Sample) -> dict[str, Any]:
    predicted, per = predict(entry.energy_fj, sample.terms), PER[entry.part]
    sums: dict[str, float] = {}
    if entry.sums_fj is not None and sample.sums_fj is not None:
        sums = {
            f"measured_sums_{per}": sample.sums_fj / sample.count / 1000,
            f"predicted_sums_{per}": predict(entry.sums_fj, sample.terms) / sample.count / 1000,
        }
    unplaced = {}
    if sample.unplaced_fj is not None:
        unplaced = {f"unplaced_{per}": sample.unplaced_fj / sample.count / 1000}
    return {
        "layer": sample.layer,
        **({"operands": sample.operands} if entry.part in ARRAYS else {}),
        f"measured_{per}": sample.energy_fj / sample.count / 1000,
        f"predicted_{per}": predicted / sample.count / 1000,
        "error_percent": 100 * (predicted / sample.energy_fj - 1),
        **sums,
        **unplaced,
    }


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write `record`'s dictionaries as TOML."""
    import tomli_w  # of the extra `cosim`; characterizations are read without it

    write_file(path, tomli_w.dumps(_rounded(content)))


def _rounded(value: Any) -> Any:
    """The same with six digits in every number that is no integer."""
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def load(path: Path) -> dict[str, Fit]:
    """The fits of a file by name; anything amiss is refused with one line."""
    what = f"Characterization {str(path)!r}"
    content = read_content(path)
    part = part_of(content)
    head, tables = content["characterization"], content[part]
    if part is Part.UNIT and sorted(tables) != sorted(UNIT_TERMS):
        raise InputError(
            f"{what} must have the units {', '.join(UNIT_TERMS)}, not {shown(list(tables))}"
        )
    sizes = _sizes(head, what) if part in ARRAYS else ()
    library = head["liberty"] + (PLACED if head.get("placed") is True else "")
    voltage = positive_number(head["voltage"], f"{what}: voltage") if "voltage" in head else None
    node = head.get("node")
    if node is not None and not isinstance(node, str):
        raise InputError(f"{what}: node must be a text such as '45 nm', not {shown(node)}")
    fits = {name: _fit(what, library, part, name, tables[name], sizes) for name in tables}
    return {name: replace(fit, voltage=voltage, node=node) for name, fit in fits.items()}


def part_of(content: Mapping[str, Any]) -> Part:
    """Subject of the tables of a file."""
    return next((part for part in (Part.UNIT, Part.HELD) if part in content), Part.ARRAY)


def read_content(path: Path) -> dict[str, Any]:
    """The file as nested dictionaries, with a library's name and tables."""
    content, what = read_toml(path, "Characterization"), f"Characterization {str(path)!r}"
    part = part_of(content)
    tables = content.get(part)
    if not isinstance(tables, dict) or not tables:
        raise InputError(f"{what} must have [{part}.NAME] tables, not none")
    head = content.get("characterization")
    library = head.get("liberty") if isinstance(head, dict) else None
    if not isinstance(library, str):
        raise InputError(f"{what} must name its liberty, not {shown(library)}")
    return content


def _sizes(head: Mapping[str, Any], what: str) -> tuple[tuple[int, int], ...]:
    """Sizes of the measured arrays; a file without them has no tested size."""
    fitted = head.get("fit_sizes", [])
    listed = fitted if isinstance(fitted, list) else [fitted]
    listed = [*listed, *([head["test_size"]] if "test_size" in head else [])]
    for size in listed:
        good = isinstance(size, list) and len(size) == 2
        if not good or any(type(n) is not int or not 1 <= n <= 1 << 16 for n in size):
            raise InputError(
                f"{what} must have fit_sizes and test_size of two positive integers, not "
                f"{shown(size)}"
            )
    return tuple((rows, cols) for rows, cols in listed)


def _fit(
    where: str, library: str, part: Part, name: str, table: Any, sizes: tuple[tuple[int, int], ...]
) -> Fit:
    what = f"{where}, {part} {shown(name)}"
    area = (AREA[part],) if part is Part.UNIT else ()
    kind = HELD_KINDS if part is Part.HELD else ()
    rest = (REST_WORST,) if part is Part.HELD else ()
    own = numbers(what, table, (*WIDTHS[part], *kind, *area, WORST[part], *rest), others=True)
    if part in ARRAYS:
        area_um2 = numbers(f"{what}, area_um2", table.get("area_um2"), STRUCTURE)
    else:
        area_um2 = constant_area(own[AREA[part]])
    energy = numbers(f"{what}, energy_fj", table.get("energy_fj"), terms_of(part, name))
    sums = None
    if part is Part.HELD:
        sums = numbers(f"{what}, sums_fj", table.get("sums_fj"), terms_of(part, name))
    return Fit(
        library=library,
        part=part,
        name=name,
        widths={width: int(own[width]) for width in WIDTHS[part]},
        energy_fj=energy,
        area_um2=area_um2,
        error_percent=abs(own[WORST[part]]),
        sums_fj=sums,
        rest_error_percent=abs(own[REST_WORST]) if part is Part.HELD else 0.0,
        kind={name: int(own[name]) for name in kind},
        sizes=sizes,
        critical_path_ns=(
            positive_number(table[PATH], f"{what}: {PATH}") if PATH in table else None
        ),
    )


def numbers(
    what: str, table: Any, names: Sequence[str], *, others: bool = False
) -> dict[str, float]:
    """The named numbers of a table; others: it may have more, and they may be negative."""
    if others and isinstance(table, dict):
        table = {name: table[name] for name in names if name in table}
    lacking, unknown = ("must have {known}, not " + text for text in ("lack {key}", "also {key}"))
    for name, value in exact_keys(table, names, what, lacking=lacking, unknown=unknown).items():
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and abs(value) <= MOST):  # nor NaN, nor an integer that no float holds
            raise InputError(f"{what}, {name} must be a finite number, not {shown(value)}")
        if others is False and value < 0:
            raise InputError(f"{what}, {name} must be at least 0, not {shown(value)}")
    return {name: float(table[name]) for name in names}
