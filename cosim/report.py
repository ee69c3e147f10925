"""Report: designs -> layers.csv, designs.csv, pareto.png and one self-contained report.html.

The page says first what the numbers are not, then compares with the uniform baseline under the
same technology, and only then prints absolute numbers, each with its bar and its technology.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..spec.errors import InputError
from ..spec.files import atomic_path
from . import events, plots
from .energy import ABSENT, Energy
from .estimate import NOT_A_MEASUREMENT
from .explore import Design, Grid, Workload, sweep, write_csv, write_parquet
from .technology import ENTRIES, Band

CosimRecord = Mapping[str, Any]
"""What `adqhw cosim --json` prints: `arch`, and `layers` of name, compared, mismatches, cycles."""


def explore_and_report(
    folder: str | Path,
    workloads: Sequence[Workload],
    grid: Grid,
    *,
    cosim: Mapping[str, CosimRecord] | None = None,
    title: str = "adqhw: bits, accuracy and estimated energy",
    advance: Callable[[int], None] = lambda count: None,
) -> list[Design]:
    """Cost every workload on every point of the grid and write the whole report into `folder`."""
    designs = sweep(workloads, grid, advance)
    write_report(folder, designs, cosim=cosim, title=title)
    return designs


def write_report(
    folder: str | Path,
    designs: Sequence[Design],
    *,
    cosim: Mapping[str, CosimRecord] | None = None,
    title: str = "adqhw: bits, accuracy and estimated energy",
) -> list[Path]:
    """Write layers and designs (CSV, Parquet), pareto.png (one more per further technology) and
    report.html.

    cosim: by workload name; its RTL cycles stand beside designs of the array it ran on.
    """
    if not designs:
        raise InputError("Report must have at least one design, not none")
    root, cosim = Path(folder), cosim or {}
    groups = by_technology(designs)
    pictures = {name: plots.pareto_png(group) for name, group in groups.items()}
    page = render(designs, cosim=cosim, title=title, pareto=pictures)
    paths = write_tables(root, designs, cosim=cosim)
    for i, (name, png) in enumerate(pictures.items()):
        paths.append(root / ("pareto.png" if i == 0 else f"pareto_{name}.png"))
        with atomic_path(paths[-1]) as temporary:
            temporary.write_bytes(png)
    paths.append(root / "report.html")
    with atomic_path(paths[-1]) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return paths


def write_tables(
    folder: str | Path,
    designs: Sequence[Design],
    *,
    cosim: Mapping[str, CosimRecord] | None = None,
) -> list[Path]:
    """layers and designs as CSV, and as Parquet where pyarrow is installed."""
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
    """Designs by the name of their technology: energies of different ones never share an axis."""
    groups: dict[str, list[Design]] = {}
    for design in designs:
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
                "micro": str(arch.micro),
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


def render(
    designs: Sequence[Design],
    *,
    cosim: Mapping[str, CosimRecord],
    title: str,
    pareto: Mapping[str, bytes],
) -> str:
    """The page as text; plots are embedded, nothing is fetched from anywhere."""
    try:
        import jinja2
    except ImportError as error:
        raise InputError("jinja2 must be installed for reports: pip install 'adqhw[cosim]'") from (
            error
        )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"energy": energy_text, "ratio": ratio_text, "area": area_text}
    template = resources.files(__package__) / "templates" / "report.html.j2"
    first: dict[tuple[str, str], Design] = {}
    for design in designs:  # layer tables: every program once per technology, on its first array
        first.setdefault((design.workload.name, design.estimate.technology.name), design)
    groups = by_technology(designs)
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        title=title,
        disclaimer=NOT_A_MEASUREMENT,
        absent=ABSENT,
        groups=groups,
        verdicts={name: [verdict(d) for d in group] for name, group in groups.items()},
        details=[
            {
                "design": d,
                "rows": layer_rows(d, cosim),
                "layers": d.estimate.layers,
                "plot": embedded(plots.layers_png(d)),
            }
            for d in first.values()
        ],
        pareto={name: embedded(png) for name, png in pareto.items()},
        parts={name: embedded(plots.parts_png(group)) for name, group in groups.items()},
        areas={name: embedded(plots.area_png(group)) for name, group in groups.items()},
        technologies=[group[0].estimate.technology for group in groups.values()],
        entries=ENTRIES,
        counted=events.__doc__,
    )


def verdict(design: Design) -> str:
    """In words: does lookup beat the plain multiplier that stores levels, and by what."""
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


def embedded(png: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def energy_text(band: Band) -> str:
    """`181 (99–256) µJ`."""
    scale, unit = plots.energy_unit(band.expected)
    low, middle, high = (_short(v / scale) for v in (band.low, band.expected, band.high))
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


def area_text(band: Band) -> str:
    """mm² with its bar."""
    return f"{band.expected / 1e6:.3f} ({band.low / 1e6:.3f}–{band.high / 1e6:.3f}) mm²"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
