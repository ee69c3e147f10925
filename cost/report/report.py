"""Tables of a sweep - layers and designs as CSV and Parquet - and how its numbers read in words."""

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ..estimate.energy import Energy
from ..sweep.arrays import micro_label
from ..sweep.designs import Design, write_csv, write_parquet
from ..technology.technology import Band, Technology
from . import plots

CosimRecord = Mapping[str, Any]
"""JSON of `adqhw cosim`: `arch`, and `layers` of name, compared, mismatches, cycles."""


def write_tables(
    folder: str | Path,
    designs: Sequence[Design],
    *,
    cosim: Mapping[str, CosimRecord] | None = None,
) -> list[Path]:
    """layers and designs as CSV, and as Parquet where pyarrow is installed.

    cosim: by workload name; its RTL cycles are shown with designs of the same array.
    """
    if not designs:
        raise InputError("Report must have at least one design, not none")
    tables = {
        "layers": [row for d in designs for row in layer_rows(d, cosim or {})],
        "designs": [d.row() for d in designs],
    }
    writers = {".csv": write_csv}
    if find_spec("pyarrow") is not None:
        writers[".parquet"] = write_parquet
    paths = []
    root = Path(folder)
    for suffix, write in writers.items():
        for name, rows in tables.items():
            paths.append(root / f"{name}{suffix}")
            write(paths[-1], rows)
    return paths


def by_technology(designs: Sequence[Design]) -> dict[str, list[Design]]:
    """Designs by the name of their technology: energies of different ones never share an axis.

    Technologies that count events are last: their numbers are for checks, not for decisions.
    """
    groups: dict[str, list[Design]] = {}
    for design in sorted(designs, key=lambda d: d.estimate.technology.counts):
        groups.setdefault(design.estimate.technology.name, []).append(design)
    return groups


def layer_rows(design: Design, cosim: Mapping[str, CosimRecord]) -> list[dict[str, Any]]:
    """One row per layer; energies in pJ per image, RTL cycles where this array was co-simulated."""
    measured = rtl_layers(design, cosim.get(design.workload.name))
    arch, technology = design.estimate.arch, design.estimate.technology.name
    rows = []
    for layer in design.estimate.layers:
        seen = measured.get(layer.name, {})
        rows.append(
            {
                "program": design.workload.name,
                "rows": arch.rows,
                "cols": arch.cols,
                "hold": arch.hold,
                "fill": arch.fill,
                "out_lanes": arch.out_lanes,
                "micro": micro_label(arch),
                "technology": technology,
                "layer": layer.name,
                "kind": str(layer.kind),
                "macs": int(layer.events.macs),
                "weight_width": layer.weight_width,
                "stored_width": layer.stored_width,
                "act_width": layer.act_width,
                "gated_macs": layer.events.gated_macs,
                "active_macs": layer.events.active_macs,
                "idle_lanes": layer.events.idle_lanes,
                "cycles_model": layer.events.cycles,
                "cycles_rtl": seen.get("cycles_rtl"),
                "compared": seen.get("compared"),
                "mismatches": seen.get("mismatches"),
                **{f"energy_pj_{k}": v for k, v in layer.energy.total.as_dict().items()},
                **{f"{name}_pj": v.expected for name, v in layer.energy.split.items()},
                **{f"{name}_part_pj": v.expected for name, v in layer.energy.parts.items()},
                "memory_um2": layer.area.expected,
            }
        )
    return rows


def rtl_layers(design: Design, record: CosimRecord | None) -> dict[str, Mapping[str, Any]]:
    """Co-simulated layers by name, if `record` is of this design's array."""
    if record is None:
        return {}
    mine = design.estimate.arch.to_dict()
    if any(record["arch"][key] != mine[key] for key in ("rows", "cols", "micro")):
        return {}
    model = {layer.name: layer.events.cycles for layer in design.estimate.layers}
    return {x["name"]: x for x in record["layers"] if x["cycles_model"] == model.get(x["name"])}


def verdict(design: Design) -> str:
    """In words: energy of look-up against the plain multiplier that stores levels."""
    total = design.to_uniform()
    if total is None:
        return ""
    if total.high < 1:
        return "less energy than storing levels, in every corner"
    if total.low > 1:
        return "more energy than storing levels, in every corner"
    if total.low == total.high == 1:
        return "the baseline itself"
    return "undecided: the bar of the ratio contains 1"


def energy_text(band: Band, technology: Technology | None = None) -> str:
    """`181 (99–256) µJ`, `181 µJ (no bar)`; of a technology that counts, events: `181 M`."""
    scale, unit = plots.energy_unit(band.expected, technology)
    if technology is not None and technology.counts:
        return f"{_short(band.expected / scale)} {unit}".rstrip()
    low, middle, high = (_short(v / scale) for v in (band.low, band.expected, band.high))
    if not math.isfinite(band.high):
        return f"{middle} {unit} (no bar)"
    return f"{middle} ({low}–{high}) {unit}"


def power_text(watts: Band) -> str:
    """`181 (99–256) mW`."""
    scale, unit = next(
        ((s, u) for s, u in ((1.0, "W"), (1e-3, "mW"), (1e-6, "µW")) if watts.expected >= s),
        (1e-9, "nW"),
    )
    low, middle, high = (_short(v / scale) for v in (watts.low, watts.expected, watts.high))
    return f"{middle} ({low}–{high}) {unit}"


def shares_text(energy: Energy) -> str:
    """Percent of the expected energy by split, in the order of `SPLITS`: `8/72/20`."""
    total = energy.total.expected
    return "/".join(f"{100 * band.expected / total:.0f}" for band in energy.split.values())


def ratio_text(band: Band | None) -> str:
    """`0.46 (0.44–0.55)`, or a dash where there is nothing to compare with."""
    if band is None:
        return "–"
    return f"{band.expected:.2f} ({band.low:.2f}–{band.high:.2f})"


def area_text(band: Band, technology: Technology | None = None) -> str:
    """mm² with its bar; of a technology that counts, bits of components."""
    if technology is not None and technology.counts:
        return energy_text(band, technology)
    return f"{band.expected / 1e6:.3f} ({band.low / 1e6:.3f}–{band.high / 1e6:.3f}) mm²"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
