"""Bit budgets: rows for what a program can use, ratios and verdicts, the command's refusals."""

from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cosim.budgets import Candidate, Row, rows_of, usable
from adqhw.cosim.budgets_page import page, verdicts
from adqhw.cosim.characterization_file import WIDTHS, Fit
from adqhw.cosim.gate_fit import TERMS
from adqhw.cosim.gate_library import GateLibrary
from adqhw.cosim.stream_toggles import STRUCTURE
from adqhw.cosim.technology import Band, load
from adqhw.rtl.arch import Arch
from adqhw.spec.program_file import save

PROGRAM = small_net()
IMAGES = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
UNIT = load("unit")


def fit_of(micro: str, cost: float) -> Fit:
    arch = Arch.for_program(PROGRAM, rows=4, cols=2, micro="decode")
    return Fit(
        library="made up",
        micro=micro,
        widths={name: getattr(arch, name) for name in WIDTHS},
        energy_fj=dict.fromkeys(TERMS, cost),
        area_um2=dict.fromkeys(STRUCTURE, 100.0),
        error_percent=3.0,
    )


def row(micro: str, low: float, expected: float, high: float) -> Row:
    band = Band(low=low * 1e6, expected=expected * 1e6, high=high * 1e6)
    return Row(
        program="net", top1=90.0, weight_bits=4.0, library="made up", micro=micro, cycles=1000,
        array_pj=band, memory_pj=Band.exactly(1e6), area_um2=5000.0,
    )  # fmt: skip


def test_rows_of_every_micro_architecture_that_can_run_the_program():
    fits = {name: fit_of(name, 1.0) for name in ("decode", "uniform", "shift_add")}
    assert not usable(PROGRAM, "shift_add")
    candidate = Candidate(name="net", program=PROGRAM, top1=90.0)
    found = rows_of(
        candidate,
        {"made up": GateLibrary(name="made up", arrays=fits)},
        UNIT,
        IMAGES,
        rows=4,
        cols=2,
    )
    assert [r.micro for r in found] == ["decode", "uniform"]
    decode, uniform = found
    assert decode.array_pj.expected > 0
    assert decode.memory_pj.expected < uniform.memory_pj.expected  # codes, not levels, are stored
    assert decode.area_um2 == pytest.approx(100 * (1 + 4 + 2 + 8))


def test_a_verdict_needs_bars_that_are_apart():
    close = [row("uniform", 9, 10, 11), row("decode", 8, 9, 10)]
    said = verdicts(close)[0]
    assert said.startswith("- made up, net: least of the array decode (10 % below uniform, bars o")
    assert "overlap: no verdict); with memories and output stage decode (9 % below" in said
    apart = [row("uniform", 9, 10, 11), row("decode", 4, 5, 6)]
    assert "least of the array decode (50 % below uniform, bars apart)" in verdicts(apart)[0]
    assert "decode (alone)" in verdicts(apart[1:])[0]


def test_memories_err_alike():
    """Arrays 4-6 and 9-11 are apart, however wide the bar of the memories of both."""
    wide = Band(low=1e6, expected=5e6, high=1e8)
    rows = [row("uniform", 9, 10, 11), row("decode", 4, 5, 6)]
    found = verdicts([replace(r, memory_pj=wide) for r in rows])[0]
    assert "with memories and output stage decode (33 % below uniform, bars apart)" in found


def test_the_page_gives_ratios_to_the_uniform_row():
    text = page([row("uniform", 9, 10, 11), row("decode", 4, 5, 6)], UNIT, "16x16", "adqhw x")
    table = [line.split(" | ") for line in text.splitlines() if line.startswith("| made up")]
    assert [line[9] for line in table] == ["1.00", "0.50"]
    assert [line[10] for line in table] == ["1.00", "0.55"]  # (5 + 1) / (10 + 1)
    alone = page([replace(row("decode", 4, 5, 6))], UNIT, "16x16", "adqhw x")
    assert "| - | - |" in alone


def test_a_missing_characterization_is_one_line_and_code_2(tmp_path):
    save(PROGRAM, tmp_path / "p.safetensors")
    words = [str(tmp_path / n) for n in ("p.safetensors", "gone.toml", "page.md")]
    result = CliRunner().invoke(
        app, ["bench", "budgets", words[0], "--gates", words[1], "-o", words[2]]
    )
    assert result.exit_code == 2
    assert "must be a TOML file" in result.output
    assert len(result.output.strip().splitlines()) == 1
