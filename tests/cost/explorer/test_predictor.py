"""Predictor: the formula it says, losses that are never negative, errors of programs left out."""

import numpy as np
import pytest
from explorer_pages import WIDTHS, net

from adqhw.cost.explorer.predictor import fit
from adqhw.cost.sweep.designs import Workload


def loads(accuracy):
    return [
        Workload(name=f"{w}/{a}", program=net(w, a), accuracy=accuracy(w, a)) for w, a in WIDTHS
    ]


def test_what_follows_the_formula_is_predicted_exactly():
    found = fit(loads(lambda w, a: 93.0 - 8.0 * 2.0**-w - 2.0 * 2.0**-a))
    assert [found.intercept, found.weight, found.act] == pytest.approx([93.0, 8.0, 2.0])
    assert found.worst_error == pytest.approx(0.0, abs=1e-9)
    assert found.top1(net(3, 4)) == pytest.approx(93.0 - 1.0 - 2 / 16)


def test_fewer_bits_are_never_predicted_to_help():
    found = fit(loads(lambda w, a: 90.0 + 5.0 * 2.0**-w - 2.0 * 2.0**-a))
    assert found.weight == 0.0
    assert found.act > 0.0


def test_an_error_is_that_of_the_program_left_out():
    given = loads(lambda w, a: 93.0 - 8.0 * 2.0**-w - 2.0 * 2.0**-a)
    spoiled = [*given[:-1], Workload(name="odd", program=given[-1].program, accuracy=80.0)]
    right = 93.0 - 8.0 * 2.0 ** -WIDTHS[-1][0] - 2.0 * 2.0 ** -WIDTHS[-1][1]
    assert fit(spoiled).errors[-1] == pytest.approx(right - 80.0)
    assert fit(spoiled).names[-1] == "odd"


def test_too_few_programs_predict_nothing():
    given = loads(lambda w, a: 90.0)
    assert fit(given[:4]) is None
    assert (
        fit([Workload(name=str(i), program=net(4, 4), accuracy=90.0 + i) for i in range(9)]) is None
    )
    unknown = [Workload(name=w.name, program=w.program) for w in given]
    assert fit(unknown) is None
    assert np.isfinite(fit(given).median_error)
