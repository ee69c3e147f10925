"""A tool that is absent ends a test: skipped, or failed where it is required."""

import needs
import pytest


@pytest.mark.parametrize(
    ("required", "outcome"),
    [
        ("", pytest.skip.Exception),
        ("verilator,icarus", pytest.skip.Exception),
        ("data", pytest.fail.Exception),
        ("verilator,data", pytest.fail.Exception),
    ],
)
def test_absent_data(required, outcome, monkeypatch):
    monkeypatch.setenv(needs.REQUIRE, required)
    monkeypatch.delenv("ADQHW_DATA", raising=False)
    with pytest.raises(outcome, match="ADQHW_DATA must name a folder with the official CIFAR-10"):
        needs.cifar10()
    monkeypatch.setenv("ADQHW_DATA", "somewhere")
    assert needs.cifar10() == "somewhere"


def test_a_package_that_is_there_ends_nothing():
    needs.package("pytest", "pip")
    with pytest.raises(pytest.skip.Exception, match="nothing must be installed, not absent: how"):
        needs.package("nothing", "how", module="no_such_module")
