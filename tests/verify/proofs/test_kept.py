"""Verdicts are kept by what was proven, and only good ones."""

import re
from dataclasses import replace

import pytest

from adqhw.verify.proofs import __main__ as command
from adqhw.verify.proofs import kept
from adqhw.verify.proofs.catalogue import catalogue
from adqhw.verify.proofs.prover import Verdict, task_of

pytestmark = pytest.mark.formal

PROOF = next(p for p in catalogue() if p.name == "streams of drain, 3 columns")
assert PROOF.fault
TASK = task_of(PROOF)


def test_the_key_is_that_of_design_bug_and_parameters():
    key = kept.key(PROOF, TASK)
    moved = [re.sub(r"\.py:\d+", ".py:7", text) for text in (TASK.text, TASK.broken)]
    assert moved[0] != TASK.text
    assert kept.key(PROOF, replace(TASK, text=moved[0], broken=moved[1])) == key
    others = [
        kept.key(PROOF, replace(TASK, text=TASK.text.replace("$sub", "$add", 1))),
        kept.key(PROOF, replace(TASK, broken="")),
        *(kept.key(replace(PROOF, **change), TASK) for change in ({"depth": 3}, {"reach": 9})),
    ]
    assert len({key, *others}) == 5


def test_a_good_verdict_is_taken_from_its_file_and_a_bad_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "proofs")
    asked = []

    def solver(proof, task):
        asked.append(proof.name)
        bad = len(asked) == 1
        return Verdict(base=True, induction=not bad, covered=True, seconds=2.5, refuted="bug")

    monkeypatch.setattr(command, "run", solver)
    results = [command.attempt(PROOF, again=again)[1] for again in (False, False, False, True)]
    assert [(r["proven"], r["kept"]) for r in results] == [
        (False, False),
        (True, False),
        (True, True),
        (True, False),
    ]
    assert len(asked) == 3
    assert results[2]["seconds"] == 2.5
