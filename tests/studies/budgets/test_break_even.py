"""Break-even prices: counted by hand, and of real rows against what the memories then cost."""

from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net

from adqhw.cost.technology.technology import Band, load
from adqhw.gates.array.structure import STRUCTURE
from adqhw.gates.model.fit import Fit
from adqhw.gates.model.library import GateLibrary
from adqhw.gates.model.parts import WIDTHS, Part, terms_of
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
    assert "Break-even" not in page([LOOKUP], [UNIT], "16x16", "adqhw x")


def lanes_only(micro: str, lane_fj: float) -> Fit:
    """A lane draws `lane_fj` per cycle, nothing else draws anything."""
    arch = narrowest(PROGRAM, rows=4, cols=2, micro="decode")
    return Fit(
        library="made up", part=Part.ARRAY, name=micro,
        widths={name: getattr(arch, name) for name in WIDTHS[Part.ARRAY]},
        energy_fj={**dict.fromkeys(terms_of(Part.ARRAY, micro), 0.0), "lane": lane_fj},
        area_um2=dict.fromkeys(STRUCTURE, 100.0), error_percent=0.0,
        sizes=((4, 2),),
    )  # fmt: skip


def test_rows_of_a_network_by_hand(tmp_path):
    """4 x 2 lanes at 1 fJ and 1.5 fJ per cycle.

    mac2, 8 -> 16 channels, 3x3, 4x4 outputs: 8 blocks of columns x 16 pixels = 128 sums of
    9 * 8 / 4 = 18 beats; mac3, 16 -> 16: 128 sums of 36. A beat reads 8 weights: 4-bit codes or
    8-bit levels. The codebooks have 3 and 4 levels, a cycle each; mac2
    takes 16 cycles more than its beats, mac3 18: its requant unit is two longer than thresholds.
    """
    images = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    arrays = {"uniform": lanes_only("uniform", 1.0), "decode": lanes_only("decode", 1.5)}
    rows = rows_of(
        Candidate(name="net", program=PROGRAM, top1=50.0),
        {"made up": GateLibrary(name="made up", arrays=arrays)}, [UNIT], images, rows=4, cols=2,
    )  # fmt: skip
    plain, decode = (next(r for r in rows if r.micro == m) for m in ("uniform", "decode"))
    costs = {
        r.micro: {x.name: (x.depth, x.weight_bits_read, x.array_pj.expected) for x in r.layers}
        for r in rows
    }
    beats = {"mac2": 128 * 18, "mac3": 128 * 36}
    assert costs["uniform"]["mac2"] == (18, beats["mac2"] * 64, pytest.approx(8 * 2320e-3))
    assert costs["uniform"]["mac3"] == (36, beats["mac3"] * 64, pytest.approx(8 * 4626e-3))
    assert costs["decode"]["mac2"] == (18, beats["mac2"] * 32, pytest.approx(12 * 2323e-3))
    assert costs["decode"]["mac3"] == (36, beats["mac3"] * 32, pytest.approx(12 * 4630e-3))
    stored = 2322 + 38  # mac0 and the classifier, whose weights are levels on both
    assert plain.array_pj.expected == pytest.approx(8 * (2320 + 4626 + stored) * 1e-3)
    assert decode.array_pj.expected == pytest.approx(12 * (2323 + 4630 + stored) * 1e-3)
    (found,) = break_evens(rows)
    assert [(x.layer, x.price_fj.expected) for x in found.layers] == [
        ("mac2", pytest.approx((12 * 2323 - 8 * 2320) / (2304 * 32))),
        ("mac3", pytest.approx((12 * 4630 - 8 * 4626) / (4608 * 32))),
    ]
    text = page(rows, [UNIT], "4x2", "adqhw x", write_pictures(rows, tmp_path / "p.png"))
    assert "![break-even price by layer](p-break-even.png)" in text
    assert break_even_png([*rows, *(replace(r, library="other") for r in rows)])[:4] == b"\x89PNG"
