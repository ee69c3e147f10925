"""Page of a sweep: pareto.png and one self-contained report.html, after the tables.

The page says first what the numbers are not, then compares with the uniform baseline under the
same technology, and only then prints absolute numbers, each with its bar and its technology. A
picture that cannot be drawn is named in one line; the rest of the page stands without it.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.files import write_file
from ...spec.host.pictures import drawn
from ...spec.host.text import file_part, printable, warn
from ..estimate.energy import ABSENT
from ..estimate.estimate import NOT_A_MEASUREMENT
from ..events import events
from ..sweep.arrays import lanes_label, micro_label
from ..sweep.designs import Design
from ..technology.technology import ENTRIES
from . import front_plot, plots
from .report import (
    CosimRecord,
    area_text,
    by_technology,
    energy_text,
    layer_rows,
    ratio_text,
    verdict,
    write_tables,
)

TITLE = "adqhw: bits, accuracy and estimated energy"
MOST_DETAILS = 40
"""Layer tables and their pictures on the page; layers.csv has every design's."""

Tell = Callable[[str], None]


def write_report(
    folder: str | Path,
    designs: Sequence[Design],
    *,
    cosim: Mapping[str, CosimRecord] | None = None,
    tell: Tell = warn,
) -> list[Path]:
    """Write the tables, then the pictures; the files written.

    cosim: by workload name; its RTL cycles are shown with designs of the same array.
    tell: called for every picture that cannot be drawn.
    """
    tables = write_tables(folder, designs, cosim=cosim)
    return tables + write_pictures(folder, designs, cosim=cosim, tell=tell)


def write_pictures(
    folder: str | Path,
    designs: Sequence[Design],
    *,
    cosim: Mapping[str, CosimRecord] | None = None,
    title: str = TITLE,
    tell: Tell = warn,
) -> list[Path]:
    """Write pareto.png (one more per further technology) and report.html, as far as they can be."""
    root = Path(folder)
    fronts = _fronts(designs, tell)
    page = drawn(
        "report.html",
        lambda: render(
            designs,
            cosim=cosim or {},
            title=title,
            pareto={technology: picture for technology, _, picture in fronts},
            tell=tell,
        ).encode(),
        tell,
    )
    pictures = {root / name: picture for _, name, picture in fronts}
    return _written(pictures | {root / "report.html": page})


def write_fronts(folder: str | Path, designs: Sequence[Design], *, tell: Tell = warn) -> list[Path]:
    """Write pareto.png (one more per further technology) alone, as far as they can be drawn."""
    return _written({Path(folder) / name: png for _, name, png in _fronts(designs, tell)})


def _fronts(designs: Sequence[Design], tell: Tell) -> list[tuple[str, str, bytes | None]]:
    """By technology: its name, the file's, and the picture; None if it cannot be drawn."""
    fronts = []
    for i, (name, group) in enumerate(by_technology(designs).items()):
        file = "pareto.png" if i == 0 else f"pareto_{file_part(name)}.png"
        fronts.append((name, file, drawn(file, partial(front_plot.pareto_png, group), tell)))
    return fronts


def _written(pictures: Mapping[Path, bytes | None]) -> list[Path]:
    written = {path: content for path, content in pictures.items() if content is not None}
    for path, content in written.items():
        write_file(path, content)
    return list(written)


def render(
    designs: Sequence[Design],
    *,
    cosim: Mapping[str, CosimRecord],
    title: str,
    pareto: Mapping[str, bytes | None],
    tell: Tell = warn,
) -> str:
    """The page as text; plots are embedded, nothing is fetched from anywhere."""
    first: dict[tuple[str, str], Design] = {}
    groups = by_technology(designs)
    for design in (d for group in groups.values() for d in group):  # each program's first array
        first.setdefault((design.workload.name, design.estimate.technology.name), design)
    shown = list(first.values())[:MOST_DETAILS]
    page: str = _template().render(
        title=title,
        disclaimer=NOT_A_MEASUREMENT,
        absent=ABSENT,
        groups=groups,
        verdicts={name: [verdict(d) for d in group] for name, group in groups.items()},
        details=[_detail(d, cosim, tell) for d in shown],
        more=len(first) - len(shown),
        pareto=pareto,
        parts={
            name: drawn("picture of energy by part", partial(plots.parts_png, group), tell)
            for name, group in groups.items()
        },
        areas={
            name: drawn("picture of areas", partial(plots.area_png, group), tell)
            for name, group in groups.items()
        },
        technologies=[group[0].estimate.technology for group in groups.values()],
        entries=ENTRIES,
        counted=events.__doc__,
    )
    return page


def _template() -> Any:
    """The page's template: whatever a name holds is text on it, and visible."""
    try:
        import jinja2
    except ImportError as error:
        raise InputError("jinja2 must be installed for reports: pip install 'adqhw[cosim]'") from (
            error
        )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_visible,
    )  # fmt: skip
    environment.filters |= {
        "energy": _spread(energy_text), "ratio": _spread(ratio_text), "area": _spread(area_text),
        "embedded": embedded, "lines": str.splitlines,
    }  # fmt: skip
    environment.globals |= {"lanes_label": lanes_label, "micro_label": micro_label}
    template = resources.files(__package__) / "templates" / "report.html.j2"
    return environment.from_string(template.read_text(encoding="utf-8"))


def _visible(value: Any) -> Any:
    """Conversion of every expression of the template before it is escaped."""
    ours = hasattr(value, "__html__") or not isinstance(value, str)
    return value if ours else printable(value, max(len(value), 1))


def _spread(text_of: Callable[..., str]) -> Callable[..., Any]:
    """A number and its bar in one cell, which may break between the two and nowhere else."""
    from markupsafe import Markup

    def cell(*arguments: Any) -> Any:
        number, _, bar = text_of(*arguments).partition(" ")
        return Markup('{} <span class="bar">{}</span>').format(number, bar) if bar else number

    return cell


def _detail(design: Design, cosim: Mapping[str, CosimRecord], tell: Tell) -> dict[str, Any]:
    return {
        "design": design,
        "rows": layer_rows(design, cosim),
        "layers": design.estimate.layers,
        "plot": drawn("picture of layers", lambda: plots.layers_png(design), tell),
    }


def embedded(png: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
