"""`bench model`: errors computed from the rows of the files, limits, and the committed files."""

import json
from pathlib import Path

import pytest
from places import ROOT
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.spec import InputError
from adqhw.studies.gates.model_errors import page, subjects

GATES = ROOT / "gates" / "tech"
ARRAY = """
[characterization]
liberty = "made up"
program = "0123456789abcdef"
test_size = [8, 4]

[micro.decode]
cells = 1200
measured_area_um2 = 5000.0
area_error_percent = -2.0
test_real_worst_percent = 0.001

[[micro.decode.test]]
layer = "a"
operands = "real"
measured_pj_per_mac = 2.0
predicted_pj_per_mac = {predicted}

[[micro.decode.test]]
layer = "b"
operands = "real"
measured_pj_per_mac = 4.0
predicted_pj_per_mac = 3.92

[[micro.decode.test]]
layer = "b"
operands = "random"
measured_pj_per_mac = 1.0
predicted_pj_per_mac = 1.03
"""


def written(tmp_path, predicted: float = 2.08, text: str = ARRAY) -> Path:
    path = tmp_path / "made_up.toml"
    path.write_text(text.replace("{predicted}", str(predicted)))
    return path


def invoke(*words: object):
    return CliRunner().invoke(app, ["bench", "model", *map(str, words)])


def test_errors_come_from_the_rows_and_not_from_the_summary(tmp_path):
    (subject,) = subjects(written(tmp_path))
    assert subject.layers == {"a": pytest.approx(4.0), "b": pytest.approx(-2.0)}
    assert subject.random == {"b": pytest.approx(3.0)}
    assert (subject.errors.median, subject.errors.worst) == pytest.approx((3.0, 4.0))
    assert (subject.array, subject.area_mm2, subject.kept) == ("8x4", 0.005, True)


@pytest.mark.parametrize(("predicted", "kept"), [(2.15, True), (2.19, False), (2.21, False)])
def test_limits(tmp_path, predicted, kept):
    """Beside -2 %: +7.5 % is a median of 4.75, +9.5 % of 5.75, +10.5 % is too far off itself."""
    (subject,) = subjects(written(tmp_path, predicted))
    assert subject.kept is kept
    result = invoke(written(tmp_path, predicted), "-o", tmp_path / "page.md")
    assert result.exit_code == (0 if kept else 1)
    assert ("**missed**" in (tmp_path / "page.md").read_text()) is not kept


def test_area_has_its_limit(tmp_path):
    wide = ARRAY.replace("area_error_percent = -2.0", "area_error_percent = -10.5")
    assert not subjects(written(tmp_path, text=wide))[0].kept


def test_the_committed_files_keep_the_limits(tmp_path):
    """Both libraries, unplaced and placed, arrays and output stage, as the README states."""
    paths = sorted(GATES.glob("*.toml"))
    result = invoke(*paths, "-o", tmp_path / "page.md", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["subjects"]
    parts = {(s["library"], s["name"]) for s in found}
    libraries = {library for library, _ in parts}
    assert len(libraries) == 4
    assert sum(name.endswith(" placed") for name in libraries) == 2
    assert len(parts) == len(found)  # nothing twice
    text = (tmp_path / "page.md").read_text()
    assert text.count("| kept |") == len(found)


def test_a_layer_without_a_figure_is_a_dash(tmp_path):
    first = subjects(written(tmp_path))
    other = ARRAY.replace('"b"', '"c"').replace("micro.decode", "micro.uniform")
    text = page([*first, *subjects(written(tmp_path, text=other))], "adqhw x")
    assert "| b | -2.0 | - |" in text
    assert "| c | - | -2.0 |" in text


@pytest.mark.parametrize(
    ("spoilt", "by", "message"),
    [
        ("measured_pj_per_mac = 2.0\n", "", "measured_pj_per_mac"),
        ("measured_pj_per_mac = 2.0", "measured_pj_per_mac = 0.0", "division by zero"),
        ('operands = "real"', 'operands = "random"', "test rows with real operands"),
        ("test_size = [8, 4]\n", "", "test_size"),
    ],
)
def test_spoilt_files_are_one_line_and_code_2(tmp_path, spoilt, by, message):
    path = written(tmp_path, text=ARRAY.replace(spoilt, by))
    with pytest.raises(InputError, match=message):
        subjects(path)
    result = invoke(path, "-o", tmp_path / "page.md")
    assert result.exit_code == 2
    assert not (tmp_path / "page.md").exists()
    assert len(result.output.strip().splitlines()) == 1


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.toml").write_text("a = 1")
    with pytest.raises(InputError, match=r"must have \[micro.NAME\] tables"):
        subjects(tmp_path / "x.toml")
