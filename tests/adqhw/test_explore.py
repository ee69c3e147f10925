"""`adqhw explore`: the page has the figures of `estimate --json`, and nothing from outside."""

import json
import random
import re

import pytest
from explorer_pages import (
    CORNERS,
    added_up,
    data_of,
    memories_of,
    random_choice,
    random_setting,
    saved,
    words_of,
)
from typer.testing import CliRunner

from adqhw.cli import app

FEW = ["--rows-cols", "4x4", "--hold", "1,4", "--fill", "2", "--out-lanes", "2"]
FEW += ["--micro", "decode,uniform,uniform:4", "--tech", "literature45,unit"]


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("explore")
    saved(made)
    return made


@pytest.fixture(scope="module")
def page(folder):
    done = run("explore", folder, "-o", folder / "page.html", *FEW, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["programs"][0] == "net_w2a2"
    return (folder / "page.html").read_text(encoding="utf-8")


def test_figures_equal_those_of_estimate(page):
    data, rng = data_of(page), random.Random(0)
    for _ in range(12):
        setting = random_setting(data, rng)
        choice = random_choice(data, rng) | {"dram": -1, "voltage": None}
        done = run(*words_of(data, setting, choice))
        assert done.exit_code == 0, done.output
        wanted = json.loads(done.stdout)
        found = added_up(data, setting, choice["tech"], memories_of(data, choice))
        for ours, theirs in zip(found["layers"], wanted["layers"], strict=True):
            assert (ours["name"], ours["cycles"]) == (theirs["name"], theirs["cycles"])
            for corner in CORNERS:
                assert ours["energy"][corner] == pytest.approx(
                    theirs["energy_pj"][corner], rel=1e-12
                )
            assert ours["area"] == pytest.approx(theirs["area_um2"], rel=1e-12)
        assert found["area"] == pytest.approx(wanted["total"]["area_um2"], rel=1e-12)


def test_nothing_is_fetched(page):
    rest = re.sub(r'id="data">.*?</script>', "", page, flags=re.DOTALL)
    allowed = {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert set(re.findall(r"https?://[^\s\"'`]+", rest)) <= allowed
    assert not re.search(r"<(link|img|iframe|script)[^>]*\b(src|href)=", rest)
    assert "default-src 'none'" in rest
    assert len(page) < 10_000_000


def test_the_same_command_writes_the_same_page(folder):
    pages = [folder / f"{number}.html" for number in range(2)]
    for out in pages:
        assert run("explore", folder, "-o", out, *FEW, "--micro", "decode").exit_code == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_names_of_files_are_text(folder, tmp_path):
    hostile = tmp_path / "<script>alert(1)<_script>.safetensors"
    hostile.write_bytes((folder / "net_w4a4.safetensors").read_bytes())
    out = tmp_path / "page.html"
    done = run("explore", hostile, "-o", out, "--rows-cols", "4x4", "--hold", "1",
               "--fill", "1", "--out-lanes", "1", "--micro", "decode")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "alert(1)" not in out.read_text(encoding="utf-8")
    assert "top-1 is not predicted" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--micro", "none"], "Micro must be one of"),
        (["--weight-bits", "1"], "Weight bits must be in 2..8, not 1"),
        (["--weight-bits", "2,3,4,5,6,7"], "Weight bits must be 1 to 5 numbers, not 6"),
        (["--act-bits", "9"], "Activation bits must be in 1..8, not 9"),
        (["--base", "nobody"], "--base must be one of net_w2a2, "),
        (["--tech", "unit,unit,none"], "Technology must be one of"),
        (["--rows-cols", "0x4"], "must be"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(folder, tmp_path, words, said):
    out = tmp_path / "page.html"
    done = run("explore", folder, "-o", out, *FEW, *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_an_empty_folder_is_refused(tmp_path):
    done = run("explore", tmp_path, "-o", tmp_path / "page.html")
    assert done.exit_code == 2
    assert "must hold programs" in done.stderr
