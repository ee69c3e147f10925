"""Files of other commands: read as they are, or refused with one line."""

import json

import pytest
from explorer_pages import saved
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.explorer.results import read_results
from adqhw.spec import InputError


def printed(*words):
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_points_are_those_that_the_commands_printed(tmp_path):
    program = str(saved(tmp_path)[0])
    one = printed("estimate", program, "--rows", "4", "--cols", "4")
    (tmp_path / "one.json").write_text(one)
    total = json.loads(one)["total"]
    (point,) = read_results(tmp_path / "one.json")
    assert point["name"] == "net_w4a4 decode 4x4"
    assert point["accuracy"] is None
    assert (point["cycles"], point["energy_pj"], point["area_um2"]) == (
        total["cycles"], total["energy_pj"]["expected"], total["area_um2"],
    )  # fmt: skip
    out = tmp_path / "sweep"
    many = printed("sweep", program, "--rows-cols", "4x4,8x8", "-o", str(out), "--no-report")
    (tmp_path / "many.json").write_text(many)
    points = read_results(tmp_path / "many.json")
    rows = json.loads(many)["rows"]
    assert [p["energy_pj"] for p in points] == [row["energy_pj_expected"] for row in rows]
    assert [p["accuracy"] for p in points] == [row["accuracy"] for row in rows]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"rows": [1]}', '{"rows": 3}', '{"rows": [{"program": "a"}]}', "[" * 10000,
     '{"arch": {}, "total": {}, "program": "a"}', "null", "nan", "3"],
)  # fmt: skip
def test_other_files_are_refused_in_one_line(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_results(path)
    assert "\n" not in str(refused.value)
    assert "other.json" in str(refused.value)
