"""Report files: complete, self-contained, with the sources and limits of the numbers."""

import csv
import html.parser
import json
import math
import re

import pytest
import typer
from cost_nets import small_net
from programs import random_images
from typer.testing import CliRunner

from adqhw.commands import estimate as estimate_command
from adqhw.console import guarded
from adqhw.cost.estimate.estimate import measure
from adqhw.cost.report.page import write_report
from adqhw.cost.report.plots import energy_unit
from adqhw.cost.report.report import energy_text, layer_rows, ratio_text, verdict
from adqhw.cost.sweep.designs import Grid, Workload
from adqhw.cost.sweep.sweeping import sweep
from adqhw.cost.technology.technology import ENTRIES, Band, load
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.spec import InputError
from adqhw.spec.program_file import save

NET = small_net()


def cosim_record(rows: int = 4, micro: str = "decode") -> dict:
    """What `adqhw cosim --json` prints for two layers of NET, co-simulated on `rows` x 4 lanes."""
    arch = narrowest(NET, rows=rows, cols=4, micro=micro)
    names = [NET.layers[0].name, NET.layers[2].name]
    cycles = {m.name: m.cycles for m in network_cycles(arch, NET) if m.name in names}
    layers = [
        {"name": n, "compared": 64, "mismatches": 0, "cycles_rtl": c, "cycles_model": c}
        for n, c in cycles.items()
    ]
    return {"layers": layers, "arch": arch.to_dict()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Folder and designs of a report over two accuracies, two micros, two technologies."""
    folder = tmp_path_factory.mktemp("report")
    activity = measure(NET, random_images(NET, 2))
    workloads = [
        Workload(name="four", program=NET, activity=activity, accuracy=95.0,
                 accuracy_source="2 images <made up>"),
        Workload(name="two", program=small_net(weight_width=2)),
    ]  # fmt: skip
    grid = Grid(arrays=((4, 4),), technologies=(load("literature45"), load("unit")))
    designs = sweep(workloads, grid)
    write_report(folder, designs, cosim={"four": cosim_record()})
    return folder, designs


def page(written) -> str:
    return (written[0] / "report.html").read_text(encoding="utf-8")


def test_all_files_are_there(written):
    names = {path.name for path in written[0].iterdir()}
    tables = {f"{name}.{kind}" for name in ("layers", "designs") for kind in ("csv", "parquet")}
    assert names == tables | {"pareto.png", "pareto_unit.png", "report.html"}
    for name in ("pareto.png", "pareto_unit.png"):
        assert (written[0] / name).read_bytes().startswith(b"\x89PNG\r\n")


def test_the_page_fetches_nothing(written):
    text = page(written)
    assert not re.search(r"https?://|//cdn|<script|<link|@import", text)
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', text)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_page_is_well_formed(written):
    class Balanced(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Balanced()
    parser.feed(page(written))
    assert parser.open == []


def test_every_layer_and_every_technology_entry_is_on_the_page(written):
    text = page(written)
    for layer in NET.layers:
        # two programs, two technologies
        assert text.count(f'<td class="t name">{layer.name}</td>') == 4
    for entry in ENTRIES:
        assert text.count(f'<td class="t">{entry}</td>') == 2
    assert NET.digest in text
    assert "measured on 2 images" in text
    assert "2 images &lt;made up&gt;" in text  # text of others is escaped


def test_what_it_is_not_comes_first_then_ratios_then_numbers(written):
    text = page(written)
    body = re.sub(r"<[^>]+>", " ", text[text.index("<body>") :])
    for word in ("place and route", "wires", "clock tree", "leakage", "not measured silicon"):
        assert word in body[:900]
    places = [
        body.index(s)
        for s in ("What this is not", "Against the uniform baseline", "Designs, technology")
    ]
    assert places == sorted(places)
    energies = [m.start() for m in re.finditer(r"\d\s+\([\d.]+–[\d.]+\) [µnmp]?J", body)]
    assert min(energies) > places[1]


def test_every_energy_on_the_page_has_a_bar(written):
    words = re.sub(r"<[^>]+>", "", page(written))
    numbers = re.findall(r"([\d.]+)( \([\d.]+–[\d.]+\))? [µnm]J", words)
    assert numbers
    assert all(bar for _, bar in numbers)


def test_layers_csv_adds_up_to_designs_csv(written):
    folder, designs = written
    with (folder / "layers.csv").open(newline="", encoding="utf-8") as stream:
        layers = list(csv.DictReader(stream))
    with (folder / "designs.csv").open(newline="", encoding="utf-8") as stream:
        totals = list(csv.DictReader(stream))
    assert len(layers) == len(designs) * len(NET.layers)
    keys = ("program", "rows", "cols", "micro", "technology")
    for total in totals:
        mine = [row for row in layers if all(row[k] == total[k] for k in keys)]
        energy = sum(float(row["energy_pj_expected"]) for row in mine)
        assert energy == pytest.approx(float(total["energy_pj_expected"]))
        assert sum(int(row["cycles_model"]) for row in mine) == int(total["cycles"])


def test_rtl_cycles_stand_only_beside_the_array_that_was_simulated(written):
    _, designs = written
    for design in designs:
        rows = layer_rows(design, {"four": cosim_record()})
        measured = [row["layer"] for row in rows if row["cycles_rtl"] is not None]
        mine = design.workload.name == "four" and design.estimate.arch.micro == "decode"
        assert measured == ([NET.layers[0].name, NET.layers[2].name] if mine else [])
    uniform = next(d for d in designs if d.estimate.arch.micro == "uniform")
    record = {"four": cosim_record(micro="uniform")}
    assert sum(r["cycles_rtl"] is not None for r in layer_rows(uniform, record)) == 2
    record = {"four": cosim_record(rows=8, micro="uniform")}
    assert not any(r["cycles_rtl"] for r in layer_rows(uniform, record))


def test_verdict_is_said_in_words(written):
    _, designs = written
    literature = [d for d in designs if d.estimate.technology.name == "literature45"]
    words = {(d.workload.name, str(d.estimate.arch.micro)): verdict(d) for d in literature}
    assert words["four", "uniform"] == words["two", "uniform"] == "the baseline itself"
    assert words["two", "decode"] == "less energy than storing levels, in every corner"


def test_a_report_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one design"):
        write_report(tmp_path / "out", [])
    assert not (tmp_path / "out").exists()


def test_numbers_read_well():
    assert energy_text(Band(low=99.06e6, expected=181.4e6, high=256.5e6)) == "181 (99.1–256) µJ"
    assert energy_text(Band(low=0.0, expected=0.0, high=0.0)) == "0 (0–0) pJ"
    assert ratio_text(Band(low=0.441, expected=0.456, high=0.547)) == "0.46 (0.44–0.55)"
    assert ratio_text(None) == "–"
    assert energy_unit(2.5e9) == (1e9, "mJ")


app = typer.Typer()
app.command()(guarded(estimate_command.command, "estimate"))


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_estimate_prints_one_json_object_with_the_promised_keys(tmp_path):
    save(NET, tmp_path / "net.safetensors")
    result = run(tmp_path / "net.safetensors", "--rows", 4, "--cols", 4, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    keys = {"name", "cycles", "energy_pj", "area_um2"}
    assert all(keys <= set(layer) for layer in [*record["layers"], record["total"]])
    assert record["technology"] == "literature45"
    assert record["statistics"].startswith("assumed")
    assert record["seconds"] > 0
    assert record["to_uniform"]["total"]["low"] <= record["to_uniform"]["total"]["expected"]


def test_estimate_measures_on_the_bundled_digits(tmp_path):
    save(small_net(shape=(1, 8, 8), dataset="digits"), tmp_path / "net.safetensors")
    result = run(tmp_path / "net.safetensors", "--images", 5, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["statistics"] == "measured on 5 images"


def test_estimate_for_people_names_technology_and_bar_and_leaves_stdout_empty(tmp_path):
    save(NET, tmp_path / "net.safetensors")
    result = run(tmp_path / "net.safetensors")
    assert result.exit_code == 0
    assert result.stdout == ""
    words = " ".join(result.stderr.split())
    assert "technology literature45" in words
    assert "no place and route" in words
    assert "For the datapath the gates rule" in words
    energies = [m.start() for m in re.finditer(r"[\d.]+ \([\d.]+–[\d.]+\) [nµ]J", words)]
    assert words.index("uniform baseline") < min(energies)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tech", "none.toml"], "Technology file must be a file"),
        (["--arch", "none.toml"], "Arch file must be a file"),
        (["--arch", "none.toml", "--rows", "4"], "not also from --rows"),
        (["--micro", "magic"], "Arch micro must be one of"),
        (["--images", "0"], "Number of images must be at least 1"),
        (["--input", "none.npy"], "Input must be a .npy file"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(tmp_path, options, message):
    save(NET, tmp_path / "net.safetensors")
    result = run(tmp_path / "net.safetensors", *options)
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert message in result.stderr


def test_an_energy_without_a_bar_says_so():
    assert energy_text(Band(low=0, expected=1.06e9, high=math.inf)) == "1.06 mJ (no bar)"
    assert energy_text(Band(low=0.975e9, expected=1.06e9, high=1.15e9)) == "1.06 (0.975–1.15) mJ"
