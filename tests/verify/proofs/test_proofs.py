"""The fast proofs of the catalogue, those of more than a second slow; `make prove` runs all."""

from dataclasses import replace
from subprocess import CompletedProcess

import numpy as np
import pytest

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.shared_table import table_digits, table_slice
from adqhw.verify.proofs import prover
from adqhw.verify.proofs.catalogue import catalogue
from adqhw.verify.proofs.prover import run, uninterpreted

pytestmark = pytest.mark.formal

FAST = [proof for proof in catalogue() if proof.fast]
SECONDS = {
    "lookup-MAC decode", "lookup-MAC product_table", "lookup-MAC binned", "product table",
    "threshold unit",
}  # fmt: skip
"""Components whose proof takes several."""


@pytest.mark.parametrize(
    "proof",
    [pytest.param(p, marks=[pytest.mark.slow] * (p.component in SECONDS)) for p in FAST],
    ids=lambda p: f"{p.component}, {p.configuration}",
)
def test_proven_and_the_seeded_bug_is_refuted(proof):
    verdict = run(proof)
    assert (verdict.base, verdict.induction, verdict.covered) == (True, True, True)
    assert bool(verdict.refuted) == bool(proof.fault)


def test_a_solver_without_an_answer_is_no_verdict_on_the_hardware(monkeypatch):
    tool = prover._tool

    def late(folder, *command, check=True):
        if "-c" in command:
            return CompletedProcess(command, prover.TIMED_OUT, "", "")
        return tool(folder, *command, check=check)

    monkeypatch.setattr(prover, "_tool", late)
    verdict = run(replace(next(p for p in FAST if p.component not in SECONDS), fault=None))
    assert (verdict.base, verdict.induction, verdict.covered) == (True, True, None)
    assert not verdict.proven
    assert verdict.word == f"no answer in {prover.TIMEOUT_S} s (covers)"


def test_every_component_has_a_seeded_bug():
    proofs = catalogue()
    assert {p.component for p in proofs} == {p.component for p in proofs if p.fault}


def test_only_whole_products_become_uninterpreted():
    line = "(define-fun |x| ((state |top_s|)) (_ BitVec 8) (bvmul (a state) (b state)))"
    text = uninterpreted(line)
    assert "(times8 (a state) (b state))" in text
    assert "declare-fun anyproduct8" in text
    with pytest.raises(AssertionError, match="whole definition"):
        uninterpreted("(define-fun |x| () (_ BitVec 8) (bvadd c (bvmul a b)))")


def test_eight_bit_products_are_the_sum_of_their_digits():
    """The one `digit sum` that z3 does not do in minutes: all 65,536 products."""
    level, act = np.arange(-128, 128)[:, None], np.arange(256)
    added = sum(np.where(act >> bit & 1, level << bit, 0) for bit in range(8))
    np.testing.assert_array_equal(added, level * act)


@pytest.mark.parametrize("act_width", [2, 4, 8])
@pytest.mark.parametrize("weight_width", [2, 3, 4, 8])
def test_products_are_the_sums_of_their_table_digits(weight_width, act_width):
    """All products of a stored level: what `lookup-MAC product_table` adds up, digit by digit."""
    arch = Arch(rows=1, cols=1, act_width=act_width, weight_width=weight_width, level_width=8)
    level, act = np.arange(-128, 128)[:, None], np.arange(1 << act_width)
    step, piece, count = weight_width - 1, table_slice(arch), table_digits(arch, 8)
    added = 0
    for digit in range(count):
        value = level >> digit * step  # the top one keeps its sign
        if digit < count - 1:
            value = value & ((1 << step) - 1)
        else:
            assert (np.abs(value + 0.5) < 1 << step).all()  # an integer of weight_width bits
        for part in range(-(-act_width // piece)):
            some = act >> part * piece & ((1 << piece) - 1)
            added = added + (value * some << digit * step + part * piece)
    np.testing.assert_array_equal(added, level * act)
