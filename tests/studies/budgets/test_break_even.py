"""Break-even prices: counted by hand, and of real rows against what the memories then cost."""

from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net

from adqhw.cost.technology.technology import Band, load
from adqhw.gates.array.structure import STRUCTURE
from adqhw.gates.model.characterization_file import WIDTHS, Fit
from adqhw.gates.model.fit import terms_of
from adqhw.gates.model.library import GateLibrary
from adqhw.rtl.program.fit import narrowest
from adqhw.studies.budgets.break_even import break_even_lines, break_evens
from adqhw.studies.budgets.budgets import Candidate, LayerCost, Row, rows_of
from adqhw.studies.budgets.page import page
from adqhw.studies.budgets.plot import break_even_png, write_pictures

UNIT = load("unit")
PROGRAM = small_net()


def cost(name: str, pj: float, bits: float, code_bits: int | None = 4) -> LayerCost:
    band = Band(low=pj - 10, expected=pj, high=pj + 10)
    return LayerCost(
        name=name, code_bits=code_bits, depth=9, array_pj=band, weight_bits_read=bits
    )  # fmt: skip


def row(micro: str, *layers: LayerCost) -> Row:
    return Row(
        program="net", top1=90.0, weight_bits=4.0, library="made up", micro=micro, cycles=1000,
        array_pj=Band.exactly(1e6), memory_pj=Band.exactly(1e6), area_um2=5000.0, layers=layers,
        weight_bit_fj=Band(low=20.0, expected=60.0, high=90.0),
    )  # fmt: skip


PLAIN = row("uniform", cost("a", 100, 800), cost("b", 200, 8000), cost("stored", 50, 80, None))
LOOKUP = row("decode", cost("a", 140, 400), cost("b", 160, 4000), cost("stored", 60, 80, None))


def test_prices_by_hand():
    """a: 40 pJ more for 400 bits less, 100 fJ each; b: 40 pJ less for 4000; levels are stored."""
    (found,) = break_evens([PLAIN, LOOKUP])
    a, b = found.layers
    assert (a.layer, a.code_bits, a.depth) == ("a", 4, 9)
    assert a.price_fj == Band(low=50.0, expected=100.0, high=150.0)
    assert b.price_fj == Band(low=-15.0, expected=-10.0, high=-5.0)
    assert found.extremes == (b, a)
    assert (found.wins(-20), found.wins(0), found.wins(100), found.wins(100.1)) == (0, 1, 1, 2)
    assert found.reuse == pytest.approx(0.6)  # 60 fJ / 100 fJ
    (line,) = break_even_lines([found])[2:]
    assert "| b (4, 9): -10 (-15 to -5) | a (4, 9): 100 (50 to 150) | 60 (20-90) |" in line
    assert "| 1 / 1 / 1 of 2 | 0.6 pixels |" in line


def test_look_up_that_always_wins_loses_at_no_reuse():
    (found,) = break_evens([PLAIN, row("decode", cost("b", 160, 4000))])
    assert found.reuse is None
    assert "| never |" in break_even_lines([found])[2]


def test_nothing_to_compare():
    assert break_evens([LOOKUP]) == []  # no `uniform`
    assert break_evens([PLAIN]) == []
    stored = row("decode", cost("stored", 60, 80, None))
    assert break_evens([PLAIN, stored]) == []
    assert break_even_png([LOOKUP]) is None
    assert "Break-even" not in page([LOOKUP], UNIT, "16x16", "adqhw x")


def fit_of(micro: str, worth: float) -> Fit:
    arch = narrowest(PROGRAM, rows=4, cols=2, micro="decode")
    return Fit(
        library="made up", micro=micro, widths={name: getattr(arch, name) for name in WIDTHS},
        energy_fj=dict.fromkeys(terms_of(micro), worth),
        area_um2=dict.fromkeys(STRUCTURE, 100.0), error_percent=0.0,
        sizes=((4, 2),),
    )  # fmt: skip


def test_at_the_break_even_price_both_draw_the_same(tmp_path):
    """Of real rows: bits read times the price found makes the layers' totals equal."""
    images = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    arrays = {"uniform": fit_of("uniform", 1.0), "decode": fit_of("decode", 1.5)}
    rows = rows_of(
        Candidate(name="net", program=PROGRAM, top1=50.0),
        {"made up": GateLibrary(name="made up", arrays=arrays)}, UNIT, images, rows=4, cols=2,
    )  # fmt: skip
    (found,) = break_evens(rows)
    plain, decode = (next(r for r in rows if r.micro == m) for m in ("uniform", "decode"))
    assert plain.array_pj.expected == pytest.approx(
        sum(layer.array_pj.expected for layer in plain.layers)
    )
    assert found.layers
    for each in found.layers:
        ours, theirs = (
            next(layer for layer in r.layers if layer.name == each.layer) for r in (decode, plain)
        )
        price = each.price_fj.expected / 1000
        assert ours.array_pj.expected + price * ours.weight_bits_read == pytest.approx(
            theirs.array_pj.expected + price * theirs.weight_bits_read
        )
        assert theirs.weight_bits_read * each.code_bits == ours.weight_bits_read * 8
    text = page(rows, UNIT, "4x2", "adqhw x", write_pictures(rows, tmp_path / "p.png"))
    assert "![break-even price by layer](p-break-even.png)" in text
    assert break_even_png([*rows, *(replace(r, library="other") for r in rows)])[:4] == b"\x89PNG"
