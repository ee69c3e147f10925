"""docs/limits.md names constants of the code, with their values."""

import importlib
import re

import pytest
from places import ROOT

PAGE = ROOT / "docs" / "limits.md"
ROWS = re.findall(r"^\| [^|]+ \| ([\d,]+)( [MG]iB)? \| `([\w.]+)` \|$", PAGE.read_text(), re.M)
UNITS = {"": 1, " MiB": 1 << 20, " GiB": 1 << 30}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2])
def test_a_limit_is_the_codes(row):
    number, unit, name = row
    module, constant = name.rsplit(".", 1)
    value = getattr(importlib.import_module(f"adqhw.{module}"), constant)
    assert value == int(number.replace(",", "")) * UNITS[unit]


def test_the_page_has_limits():
    assert len(ROWS) >= 15
