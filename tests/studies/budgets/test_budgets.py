"""Bit budgets: rows for what a program can use, ratios and verdicts, the command's refusals."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_fits import PROGRAM, fit_of
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.technology.technology import Band, load
from adqhw.gates.model.fit import Fit
from adqhw.gates.model.library import GateLibrary
from adqhw.gates.model.parts import Part, terms_of
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import Codebook, InputError, IntFormat, MacLayer, Program, Threshold
from adqhw.spec.program_file import save
from adqhw.studies.budgets.break_even import break_evens
from adqhw.studies.budgets.budgets import Candidate, Row, rows_of, uniform_weights, usable
from adqhw.studies.budgets.page import against_plain, page, verdicts
from adqhw.studies.budgets.plot import budgets_png, front

IMAGES = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
UNIT = load("unit")


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
        [UNIT],
        IMAGES,
        rows=4,
        cols=2,
    )
    assert [r.micro for r in found] == ["decode", "uniform"]
    decode, uniform = found
    assert decode.array_pj.expected > 0
    assert decode.memory_pj.expected < uniform.memory_pj.expected  # codes, not levels, are stored
    assert decode.area_um2 == pytest.approx(100 * (1 + 4 + 2 + 8))


def held_fit(micro: str, sums: float) -> Fit:
    names = terms_of(Part.HELD, micro)
    return replace(
        fit_of("decode", 1.0), part=Part.HELD, name=micro, kind={"hold": 4, "port_columns": 1},
        energy_fj=dict.fromkeys(names, 1.0 + sums), sums_fj=dict.fromkeys(names, sums),
    )  # fmt: skip


def test_rows_of_arrays_that_hold_weights():
    """Sums in flip-flops, then in memories: the array's by its gates, or the memories'."""
    fits = {name: held_fit(name, 2.0) for name in ("decode", "uniform", "uniform_4")}
    candidate = Candidate(name="net", program=PROGRAM, top1=90.0)
    libraries = {"made up": GateLibrary(name="made up", held=fits)}
    found = rows_of(
        candidate, libraries, [UNIT], IMAGES, rows=4, cols=2, hold=4, fill=2, out_lanes=2
    )
    assert [(r.micro, r.sums) for r in found] == [
        (name, sums) for name in fits for sums in ("flip-flops", "memories")
    ]
    flops, memories = found[:2]
    events = estimate(
        PROGRAM, narrowest(PROGRAM, rows=4, cols=2, hold=4, fill=2, out_lanes=2), UNIT
    )
    parts = events.energy.parts
    by_layer = {layer.name: layer.energy.parts for layer in events.layers}
    priced = [by_layer[cost.name] for cost in flops.layers]
    sums = sum(p["sums"].expected + p["accumulate"].expected for p in priced)
    assert memories.memory_pj.expected == pytest.approx(flops.memory_pj.expected + sums)
    assert flops.memory_pj.expected < events.energy.split["memory"].expected
    assert parts["sums"].expected > 0
    assert flops.output_pj.expected > parts["output"].expected
    third = flops.array_pj.expected / 3  # a fit of 3 fJ per term, 2 of them in the sums
    assert memories.array_pj.expected == pytest.approx(third)
    (entry,) = break_evens(found[1::2])  # a fit without error: the table's corners do not enter
    assert all(layer.price_fj.low == layer.price_fj.high for layer in entry.layers)
    assert found[4].cycles > found[2].cycles  # two digits of 8-bit levels
    text = page(found, [UNIT], "4x2", "adqhw x")
    assert text.startswith("# Bit budgets on arrays that hold weights\n")
    assert "with hold 4" in text
    assert "8 words in every column" in text
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles[1:4] == ["## Verdict", "### Sums in flip-flops", "### Sums in memories"]
    assert titles[-3:] == ["## All rows", "### Sums in flip-flops", "### Sums in memories"]
    assert "read again for every\n4 pixels here" in text
    (entry,) = break_evens(found[::2])
    assert (entry.micro, entry.hold) == ("decode", 4)
    assert budgets_png(found).startswith(b"\x89PNG")


def test_plain_designs_take_the_multipliers_that_need_least():
    plain = replace(row("uniform", 9, 10, 11), program="lsq", plain=True)
    narrow = replace(row("uniform_4", 4, 5, 6), program="lsq", plain=True)
    (line,) = against_plain([plain, narrow, row("decode", 4, 5, 6), row("uniform_4", 1, 1, 1)])
    assert "on decode against lsq (4.00 bits) on uniform_4: 1.00x the energy" in line


def test_a_characterization_that_is_too_narrow_is_left_out_and_named():
    narrow = fit_of("decode", 1.0)
    narrow = replace(narrow, widths={**narrow.widths, "acc_width": 5})
    arrays = {"decode": narrow, "uniform": fit_of("uniform", 1.0)}
    libraries = {"made up": GateLibrary(name="made up", arrays=arrays)}
    candidate, left_out = Candidate(name="net", program=PROGRAM, top1=50.0), []
    found = rows_of(candidate, libraries, [UNIT], IMAGES, rows=4, cols=2, left_out=left_out)
    assert [r.micro for r in found] == ["uniform"]
    (text,) = left_out
    assert text.startswith("made up, net on decode: Arch acc_width must be at least")
    assert f"- {text}" in page(found, [UNIT], "4x2", "adqhw x", left_out=left_out)
    with pytest.raises(InputError, match="acc_width must be at least"):
        rows_of(candidate, libraries, [UNIT], IMAGES, rows=4, cols=2)


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


def test_the_front_is_what_nothing_beats():
    rows = [
        replace(row("decode", 4, energy, 99), top1=top1, program=name)
        for name, energy, top1 in (("a", 5, 90), ("b", 6, 89), ("c", 7, 92), ("d", 7, 91))
    ]
    assert [r.program for r in front(rows)] == ["a", "c"]
    assert budgets_png(rows).startswith(b"\x89PNG")


def test_learned_codebooks_are_held_against_plain_multipliers():
    plain = replace(row("uniform", 9, 10, 11), program="lsq", plain=True, top1=90.5)
    learned = [row("uniform", 1, 2, 3), row("decode", 4, 5, 6), row("bit_serial", 6, 7, 8)]
    (line,) = against_plain([plain, *learned])
    assert "net (4.00 bits) on decode against lsq (4.00 bits) on uniform: 0.55x" in line
    assert "(wins), array alone 0.50x; top-1 -0.50 points" in line
    (line,) = against_plain([plain, row("decode", 8, 9, 10)])
    assert "(bars overlap: no verdict)" in line
    (line,) = against_plain([plain, row("decode", 14, 15, 16)])
    assert "(loses)" in line
    assert against_plain(learned) == []
    assert against_plain([replace(plain, top1=90.51), *learned]) == []  # not equally accurate


def test_uniform_weights_are_multiples_of_one_step():
    def program(*levels: int) -> Program:
        layer = MacLayer(
            name="mac", input="input", weights=np.array([[[[1]], [[2]]]], np.uint8), weight_width=2,
            codebook=Codebook(levels=levels, width=2), output=Threshold(tau=[[1]], sign=[1]),
        )  # fmt: skip
        return Program(input_shape=(2, 1, 1), input_format=IntFormat(width=4), layers=(layer,))

    assert uniform_weights(program(0, 1, -2, -1))
    assert uniform_weights(program(0, 3, -3, -6))
    assert not uniform_weights(program(0, 3, 1, -3))
    assert not uniform_weights(program(0, 2, 5, 8))  # steps of 3 that miss zero


def test_the_page_gives_ratios_to_the_uniform_row():
    text = page([row("uniform", 9, 10, 11), row("decode", 4, 5, 6)], [UNIT], "16x16", "adqhw x")
    table = [line.split(" | ") for line in text.splitlines() if line.startswith("| made up")]
    assert [line[9] for line in table] == ["1.00", "0.50"]
    assert [line[10] for line in table] == ["1.00", "0.55"]  # (5 + 1) / (10 + 1)
    alone = page([replace(row("decode", 4, 5, 6))], [UNIT], "16x16", "adqhw x")
    assert "| - | - |" in alone


def test_a_missing_characterization_is_one_line_and_code_2(tmp_path):
    save(PROGRAM, tmp_path / "p.safetensors")
    words = [str(tmp_path / n) for n in ("p.safetensors", "gone.toml", "page.md")]
    result = CliRunner().invoke(
        app, ["bench", "budgets", words[0], "--gates", words[1], "-o", words[2]]
    )
    assert result.exit_code == 2
    assert "Characterization must be a file" in result.output
    assert len(result.output.strip().splitlines()) == 1
