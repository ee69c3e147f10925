"""Memory budget of a command."""

import pytest

from adqhw.spec.errors import InputError
from adqhw.spec.host import limits


def test_a_demand_beyond_the_budget_is_refused_with_both_figures(monkeypatch):
    monkeypatch.setenv(limits.VARIABLE, "2")
    limits.demand(2 * limits.GIB, "A map")
    with pytest.raises(InputError, match=r"A map must fit 2 GiB .* not need 3 GiB"):
        limits.demand(3 * limits.GIB, "A map")


def test_a_demand_of_any_size_does_not_wrap(monkeypatch):
    monkeypatch.delenv(limits.VARIABLE, raising=False)
    with pytest.raises(InputError, match="must fit"):
        limits.demand(1 << 200, "A map")


@pytest.mark.parametrize("value", ["", "much", "nan", "inf", "-1", "0"])
def test_a_budget_that_is_no_number_is_refused(monkeypatch, value):
    monkeypatch.setenv(limits.VARIABLE, value)
    with pytest.raises(InputError, match="must be a number of GiB above 0"):
        limits.memory_budget()
