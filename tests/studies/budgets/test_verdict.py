"""Verdict: sides chosen at equal accuracy, factors with and without wires and DRAM, the page."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_fits import PROGRAM, fit_of
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.commands.bench.budgets import recorded_top1
from adqhw.cost.technology.technology import Band, load
from adqhw.gates.model.library import GateLibrary
from adqhw.spec import InputError
from adqhw.spec.program_file import save
from adqhw.studies.budgets.budgets import Candidate, LayerCost, Row, rows_of
from adqhw.studies.budgets.verdict import LOSES, OPEN, WINS, cases, total_pj
from adqhw.studies.budgets.verdict_page import page, said

IMAGES = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
UNIT = load("unit")


def layer(name: str, pj: float, dram: float = 0.0) -> LayerCost:
    exact = Band.exactly
    return LayerCost(
        name=name, code_bits=4, depth=9, array_pj=exact(pj), weight_bits_read=8.0,
        memory_pj=exact(1.0), dram_pj=exact(dram),
    )  # fmt: skip


def row(program: str, micro: str, pj: float, top1: float, **others) -> Row:
    given = {
        "library": "lib", "memory_pj": Band.exactly(10.0), "plain": micro.startswith("uniform"),
        "array_pj": Band(low=pj - 1, expected=pj, high=pj + 1),
    }  # fmt: skip
    return Row(
        program=program, top1=top1, weight_bits=4.0, micro=micro, cycles=1000, area_um2=1.0,
        **(given | others),
    )  # fmt: skip


def both(*rows: Row) -> list[Row]:
    """The same rows placed, too: arrays draw 1 pJ more."""
    more = Band.exactly(1.0)
    return [
        *rows,
        *(replace(r, library=f"{r.library} placed", array_pj=r.array_pj + more) for r in rows),
    ]


def test_sides_are_the_cheapest_that_are_accurate_enough():
    rows = both(
        row("plain", "uniform", 40.0, 92.0),
        row("plain", "uniform_4", 30.0, 92.0),
        row("learned", "decode", 25.0, 91.5),
        row("dearer", "decode", 26.0, 92.5),
        row("worse", "decode", 5.0, 91.49),
        row("learned", "uniform", 1.0, 91.5, plain=False),  # multipliers are the plain side's
    )
    (case,) = cases(rows)
    assert (case.plain.program, case.before.plain.micro) == ("plain", "uniform_4")
    assert case.after.learned.program == "learned"
    assert case.before.factor == pytest.approx(35 / 40)
    assert case.after.factor == pytest.approx(36 / 41)
    assert case.before.array_factor == pytest.approx(25 / 30)
    assert case.before.verdict == WINS
    assert not case.turned
    assert cases(rows[:6]) == []  # no placed gates
    assert cases(both(*rows[:2])) == []  # nothing learned


def test_verdicts_need_bars_apart_and_dram_counts_where_it_is_asked_for():
    plain = row("plain", "uniform", 30.0, 92.0, dram_pj=Band.exactly(50.0))
    for pj, expected in ((27.9, WINS), (28.1, OPEN), (31.9, OPEN), (32.1, LOSES)):
        learned = row("learned", "decode", pj, 92.0, dram_pj=Band.exactly(20.0))
        (case,) = cases(both(plain, learned))
        assert case.before.verdict == expected
        assert case.before_dram.verdict == WINS
        assert total_pj(case.before_dram.plain) == 90.0
    turned = [
        plain,
        row("learned", "decode", 27.0, 92.0),
        row("plain", "uniform", 30.0, 92.0, library="lib placed"),
        row("learned", "decode", 34.0, 92.0, library="lib placed"),
    ]
    (case,) = cases(turned)
    assert case.turned
    text = page([case], [UNIT], "8x8", "adqhw bench verdict")
    assert "on chip wins -> loses" in text
    assert "0.93 wins -> 1.10 loses" in text


def test_layers_are_compared_with_their_memories_and_dram():
    plain = row("plain", "uniform", 30.0, 92.0, layers=(layer("a", 9, 9), layer("b", 5)))
    learned = row("learned", "decode", 28.0, 92.0, layers=(layer("a", 10), layer("b", 4)))
    (case,) = cases(both(plain, learned))
    assert case.before.layers_won == (1, 2)
    assert case.before_dram.layers_won == (2, 2)
    assert said([case])[-1] == "Wires turn none of these verdicts."


def test_rows_say_what_dram_and_memories_take_layer_by_layer():
    libraries = {
        name: GateLibrary(name=name, arrays={"decode": fit_of("decode", 1.0)})
        for name in ("made up", "made up placed")
    }
    candidate = Candidate(name="net", program=PROGRAM, top1=90.0)
    size = {"rows": 4, "cols": 2}
    found = rows_of(candidate, libraries, [UNIT], IMAGES, only=["decode"], **size)
    assert len(found) == 2
    one = found[0]
    assert one.dram_pj.expected > 0
    assert 0 < sum(cost.dram_pj.expected for cost in one.layers) <= one.dram_pj.expected
    assert 0 < sum(cost.memory_pj.expected for cost in one.layers) <= one.memory_pj.expected
    assert not rows_of(candidate, libraries, [UNIT], IMAGES, only=["uniform"], **size)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"accuracy": {"integer": 92.5}}, 92.5), ({}, None), ({"accuracy": 3}, None),
        ({"accuracy": {"integer": True}}, None), ({"accuracy": {"integer": 101}}, None),
        ({"accuracy": {"integer": "92"}}, None),
    ],
)  # fmt: skip
def test_top1_is_the_programs_own_where_it_is_one(said, expected):
    assert recorded_top1(replace(PROGRAM, provenance=said)) == expected


def test_what_the_command_refuses(tmp_path):
    save(PROGRAM, tmp_path / "p.safetensors")
    (tmp_path / "g.toml").write_text("[characterization]\n")
    line = ["bench", "verdict", str(tmp_path / "p.safetensors"), "-o", str(tmp_path / "v.md")]
    for options, message in (
        (["--gates", str(tmp_path / "g.toml")], "must have"),
        (["--gates", str(tmp_path / "g.toml"), "--fill", "2"], "must go with --hold"),
        (["--gates", str(tmp_path / "g.toml"), "--lanes", "nothing"], "Micro must be"),
    ):
        found = CliRunner().invoke(app, [*line, *options])
        assert found.exit_code == 2 or isinstance(found.exception, InputError)
        assert message in found.output + str(found.exception)
    assert not (tmp_path / "v.md").exists()
