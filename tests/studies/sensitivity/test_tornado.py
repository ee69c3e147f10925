"""Tornado: every ratio is that of two estimates; the command writes what it says."""

import json
from dataclasses import replace

import pytest
from explorer_pages import net, saved
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.sweep.arrays import Lanes, arch_of
from adqhw.cost.technology.choice import chosen
from adqhw.cost.technology.dram_types import load_dram
from adqhw.cost.technology.entries import Band
from adqhw.cost.technology.memory_table import load_memories
from adqhw.spec import InputError
from adqhw.studies.sensitivity.assumptions import Case, Offers, tornado
from adqhw.studies.sensitivity.ratio import Assumed, Rival, at_middle, energy_pj, ratio_of

LEARNED = Rival(name="two", program=net(2), micro="decode")
PLAIN = Rival(name="four", program=net(4), micro="uniform")
LANES = Lanes(4, 4)


def assumed(**changed):
    table = chosen("literature45", memories="sram45", dram="lpddr4")
    return Assumed(technology=table, lanes=LANES, **changed)


def spent(rival, technology, lanes=LANES):
    """Expected energy, by `estimate` alone."""
    arch = arch_of(rival.program, lanes, rival.micro)
    return estimate(rival.program, arch, technology).energy.total.expected


@pytest.fixture(scope="module")
def found():
    offers = Offers(
        drams=(load_dram("ddr4"), load_dram("hbm2")),
        memories=(load_memories("sram45"), load_memories("sram130")),
        sizes=((4, 4), (8, 8)),
        plain_micros=("uniform", "uniform:4"),
    )
    others = {"array": [Case(what="elsewhere", ratio=1e3)]}
    return tornado(LEARNED, PLAIN, assumed(), offers, others=others)


def cases_of(found, name):
    (one,) = (a for a in found.assumptions if a.name == name)
    return {case.what: case.ratio for case in one.cases}


def test_the_ratio_is_that_of_two_estimates(found):
    table = at_middle(assumed().technology)
    wanted = spent(LEARNED, table) / spent(PLAIN, table)
    assert found.ratio == pytest.approx(wanted, rel=1e-12)
    assert assumed().technology["multiply"].high > table["multiply"].high


@pytest.mark.parametrize("name", ["multiply", "clock", "dram", "sram45: sram_line"])
@pytest.mark.parametrize("corner", ["low", "high"])
def test_an_entry_stands_alone_at_its_end(found, name, corner):
    given = assumed().technology
    table = at_middle(given)
    memory, _, entry = name.rpartition(": ")
    holder, own = (table.memories, given.memories) if memory else (table, given)
    at_end = Band.exactly(getattr(own[entry], corner))
    entries = {**holder.entries, entry: replace(holder.entries[entry], value=at_end)}
    holder = replace(holder, entries=entries)
    changed = replace(table, memories=holder) if memory else holder
    wanted = spent(LEARNED, changed) / spent(PLAIN, changed)
    cases = cases_of(found, name)
    assert any(what.startswith(corner) for what in cases)
    ratio = next(ratio for what, ratio in cases.items() if what.startswith(corner))
    assert ratio == pytest.approx(wanted, rel=1e-12)


def test_choices_are_those_of_the_estimate(found):
    drams = cases_of(found, "DRAM type")
    for name in ("ddr4", "hbm2"):
        table = at_middle(chosen("literature45", memories="sram45", dram=name))
        assert drams[name] == pytest.approx(spent(LEARNED, table) / spent(PLAIN, table), rel=1e-12)
    assert "sram130" not in cases_of(found, "on-chip memories")  # of another node
    table = at_middle(assumed().technology)
    large = Lanes(8, 8)
    (sizes,) = (
        {case.what: case.ratio for case in one.cases}
        for one in found.assumptions
        if one.name == "array" and any(case.what == "8x8" for case in one.cases)
    )
    wanted = spent(LEARNED, table, large) / spent(PLAIN, table, large)
    assert sizes["8x8"] == pytest.approx(wanted, rel=1e-12)


def test_the_largest_swing_is_first_and_turns_are_said(found):
    swings = [one.swing for one in found.assumptions]
    assert swings == sorted(swings, reverse=True)
    first = found.assumptions[0]
    assert [case.what for case in first.cases] == ["by events", "elsewhere"]
    assert first.turns == (found.ratio < 1.0)
    assert "multiply_area" in found.still


def test_zeros_and_leakage_move_the_energies():
    none, half = energy_pj(PLAIN, assumed(zeros=0.0)), energy_pj(PLAIN, assumed(zeros=0.5))
    assert none == energy_pj(PLAIN, assumed())
    assert half < none
    slow, fast = (energy_pj(PLAIN, assumed(leakage_mhz=mhz)) for mhz in (10.0, 100.0))
    assert none < fast < slow
    assert slow - none == pytest.approx(10 * (fast - none), rel=1e-6)


def test_what_cannot_be_built_is_said():
    with pytest.raises(InputError, match="shift_add"):
        ratio_of(replace(LEARNED, micro="shift_add", program=net(4)), PLAIN, assumed())


def test_the_command_writes_page_picture_and_record(tmp_path):
    *_, small = (path for path in saved(tmp_path) if "w2a2" in path.name)
    large, out = tmp_path / "net_w4a4.safetensors", tmp_path / "page.md"
    words = ["bench", "tornado", str(small), str(large), "-o", str(out), "--rows-cols", "4x4"]
    done = CliRunner().invoke(
        app, [*words, "--hold", "1", "--loads", "1", "--plain-micro", "uniform", "--json"]
    )
    assert done.exit_code == 0, done.output
    (record,) = json.loads(done.stdout)["tornados"]
    text = out.read_text(encoding="utf-8")
    assert text.startswith(
        "# Sensitivity of the verdict\n\n- 4x4, weights read for every pixel, network"
    )
    assert f"**{record['ratio']:.2f} times**" in text
    for one in record["assumptions"]:
        assert f"| {one['name']} | {one['cases'][0]['ratio']:.3f} |" in text
    assert "Written by `adqhw bench tornado net_w2a2.safetensors net_w4a4.safetensors" in text
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tech", "unit"), "none of unit"),
        (("--memories", "sram130"), "Memories must be of the technology's node"),
        (("--gates", "x.toml"), "--gates must go with --data"),
        (("-o", "page.png"), "must not be a .png"),
        (("--micro", "nothing"), "Micro"),
        (("--loads", "often"), "--loads must be whole numbers"),
    ],
)
def test_bad_options_are_one_line(tmp_path, options, words):
    program = str(saved(tmp_path)[0])
    line = ["bench", "tornado", program, program, "-o", str(tmp_path / "p.md"), *options]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "p.md").exists()
