"""Pictures of a sweep: every set of micro-architectures, names literally, labels apart."""

import csv
import dataclasses
import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from programs import Builder

from adqhw.cost.report import front_plot, plots
from adqhw.cost.report.labels import Label, place, short_names
from adqhw.cost.report.page import write_pictures, write_report
from adqhw.cost.report.report import by_technology, energy_text, write_tables
from adqhw.cost.sweep.designs import Design, Grid, Workload, mark_pareto
from adqhw.cost.sweep.sweeping import sweep
from adqhw.cost.technology.technology import Band, load
from adqhw.rtl.arch.registry import names
from adqhw.spec import Program
from adqhw.spec.host.pictures import canvas, drawn, png_of, shown

SUBSETS = [s for n in range(1, len(names()) + 1) for s in itertools.combinations(names(), n)]
TECHNOLOGIES = (load("unit"), load("literature45"))


def shifting_net() -> Program:
    """A network that every micro-architecture takes: its levels are powers of two."""
    b = Builder(np.random.default_rng(0), (3, 6, 6), shifts=True)
    b.mac(4, stage="requant", weight_width=8, uniform=True, padding=1)
    b.read(4)
    b.mac(8, weight_width=3, padding=1)
    b.mac(3, kernel=6, stage="requant", weight_width=8, uniform=True, out="s32")
    return b.build()


def all_designs(program: Program) -> list[Design]:
    loads = [
        Workload(name=name, program=program, accuracy=accuracy, accuracy_images=100)
        for name, accuracy in (("four", 90.0), ("two", 80.0))
    ]
    grid = Grid(arrays=((2, 2), (4, 4)), micros=names(), technologies=TECHNOLOGIES)
    return sweep(loads, grid)


DESIGNS = all_designs(shifting_net())


def of(micros: tuple[str, ...]) -> list[Design]:
    return mark_pareto([d for d in DESIGNS if d.estimate.arch.micro in micros])


@pytest.mark.parametrize("micros", SUBSETS, ids=lambda micros: "+".join(micros))
def test_every_set_of_micro_architectures_has_its_tables(tmp_path, micros):
    designs = of(micros)
    assert len(designs) == 2 * 2 * 2 * len(micros)
    paths = write_tables(tmp_path, designs)
    assert {p.name for p in paths} == {
        f"{name}.{kind}" for name in ("layers", "designs") for kind in ("csv", "parquet")
    }
    with (tmp_path / "designs.csv").open(newline="", encoding="utf-8") as stream:
        assert {row["micro"] for row in csv.DictReader(stream)} == set(micros)
    names = dict.fromkeys(name for d in designs for name in d.estimate.area)
    looks = {json.dumps(style) for style in plots.styles_of(names).values()}
    assert len(looks) == len(names)  # no two components look alike


def report_is_whole(folder, micros: tuple[str, ...]) -> None:
    said: list[str] = []
    paths = write_report(folder, of(micros), tell=said.append)
    assert said == []
    assert {"pareto.png", "pareto_unit.png", "report.html"} <= {path.name for path in paths}
    assert "could not be drawn" not in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("micros", SUBSETS, ids=lambda micros: "+".join(micros))
def test_every_set_of_micro_architectures_has_its_report(tmp_path, micros):
    report_is_whole(tmp_path, micros)


@pytest.mark.parametrize("draw", [plots.area_png, plots.parts_png, front_plot.pareto_png])
def test_all_micro_architectures_are_drawn_together(draw):
    group = by_technology(of(names()))["literature45"]
    assert draw(group).startswith(b"\x89PNG")


@pytest.mark.parametrize("micros", SUBSETS[:6], ids=str)
def test_areas_of_each_micro_architecture_alone_are_drawn(micros):
    group = by_technology(of(micros))["literature45"]
    assert plots.area_png(group).startswith(b"\x89PNG")


def test_a_picture_that_fails_costs_one_line_and_no_table(tmp_path, monkeypatch, capsys):
    def broken(designs):
        raise ValueError("zip() argument 2 is shorter\nthan argument 1")

    monkeypatch.setattr(plots, "area_png", broken)
    monkeypatch.setattr(front_plot, "pareto_png", broken)
    paths = write_report(tmp_path, of(("decode",)))
    assert {p.name for p in paths} == {
        "layers.csv", "designs.csv", "layers.parquet", "designs.parquet", "report.html",
    }  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4  # two pictures in each of two technologies
    assert all(line.startswith("adqhw: warning: no ") and "zip()" in line for line in lines)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("could not be drawn") == 4
    assert page.count("data:image/png") > 2


def test_a_full_disk_is_no_failed_picture():
    def full() -> bytes:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        drawn("picture", full)


def test_real_technologies_come_first_and_counts_are_no_energies(tmp_path):
    designs = of(("decode",))
    assert [d.estimate.technology.name for d in designs][:1] == ["unit"]  # asked for first
    groups = by_technology(designs)
    assert list(groups) == ["literature45", "unit"]
    write_pictures(tmp_path, designs)
    assert (tmp_path / "pareto.png").read_bytes() == front_plot.pareto_png(groups["literature45"])
    assert energy_text(Band.exactly(5.96e9), TECHNOLOGIES[0]) == "5.96 G"
    assert energy_text(Band.exactly(5.96e9), TECHNOLOGIES[1]) == "5.96 (5.96–5.96) mJ"
    assert plots.energy_unit(5e6, TECHNOLOGIES[0]) == (1e6, "M")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    counted = page[page.index("Technology unit counts") : page.index("Layer by layer")]
    counted = re.sub(r"<[^>]+>", "", counted)  # pictures as text hold any letters
    assert not [unit for unit in (" J", "mJ", "µJ", "nJ", "pJ", "mm²") if unit in counted]


HOSTILE = (
    "$\\frac{$", "<script>alert(1)</script>", "\ud800", "x" * 5000, "$x$", "[/red]", "a\x1b[2J\n",
    "=1+1", "{{ 7*7 }}", "../../x", "층1", "&lt;", "%s%n",
)  # fmt: skip


def test_names_are_text_in_every_table_and_picture(tmp_path):
    """Each hostile name as a layer's and as a program's: nothing parsed, nothing lost."""
    design = of(("decode",))[1]
    layers = tuple(
        _renamed(layer, name)
        for layer, name in zip(itertools.cycle(design.estimate.layers), HOSTILE, strict=False)
    )
    estimate = _with(design.estimate, layers=layers)
    designs = [
        _with(design, workload=_with(design.workload, name=name), estimate=estimate)
        for name in HOSTILE
    ]
    said: list[str] = []
    write_tables(tmp_path, designs)
    write_pictures(tmp_path, designs[:4], tell=said.append)
    assert said == []
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "\x1b" not in page
    assert "{{ 7*7 }}" in page
    with (tmp_path / "designs.csv").open(newline="", encoding="utf-8") as stream:
        cells = [row["program"] for row in csv.DictReader(stream)]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@")) or "\x1b" in cell]
    assert len(set(cells)) == len(HOSTILE)


def test_more_bars_and_layers_than_a_picture_holds():
    design = of(("decode",))[1]
    layer = design.estimate.layers[0]
    layers = tuple(_renamed(layer, f"layer{i}") for i in range(5000))
    assert plots.layers_png(_with(design, estimate=_with(design.estimate, layers=layers)))
    assert plots.parts_png([design] * 3000).startswith(b"\x89PNG")


@settings(max_examples=6, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25))
def test_no_label_lies_on_another_or_outside(points):
    with canvas(5, 4) as figure:
        axis = figure.subplots()
        axis.plot(*zip(*points, strict=True), "o")
        labels = [Label(x=x, y=y, text=f"name_{x}_{y}") for x, y in points]
        left_out = place(axis, labels, points)
        written = [text for text in axis.texts if text.get_text()]
        assert len(written) == len(labels) - left_out
        png_of(figure)  # the picture as it is written
        boxes = [text_box(text) for text in written]
        frame = axis.get_window_extent()
    assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert left_out < len(labels)


def text_box(note):
    """The box of the text without the line that leads to it."""
    return Text.get_window_extent(note)


def test_names_are_shortened_but_stay_apart():
    zoo = ["cifar10_resnet20_w4a4", "cifar10_resnet20_w3a3"]
    assert short_names(zoo) == dict(zip(zoo, ("w4a4", "w3a3"), strict=True))
    assert short_names(["alone_net"]) == {"alone_net": "alone_net"}
    assert short_names(["net_", "net_a"])["net_"] != ""
    long = ["a" * 99 + x + "b" * 99 for x in "cd"]
    assert len(set(short_names(long).values())) == 2
    assert shown("x" * 50 + "end", 10) == "xxxxx…xend"


def _with(thing, **changes):
    return dataclasses.replace(thing, **changes)


def _renamed(layer, name: str):
    return _with(layer, name=name)
