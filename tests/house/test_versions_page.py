"""docs/versions.md: its lowest versions are the bounds, its pins those of the set-up."""

import re
import tomllib

import pytest
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("train", "data", "rtl", "cosim")
BOUND = re.compile(r"([\w.-]+)(?:\[[\w,-]*\])?\s*(?:>=|==)([\d.]+)")


def bounds():
    """Lowest version by package, of the base install and of the extras of the demo."""
    lines = [*PROJECT["dependencies"]]
    lines += [line for name in EXTRAS for line in PROJECT["optional-dependencies"][name]]
    found = {"Python": PROJECT["requires-python"].removeprefix(">=")}
    return found | dict(match.groups() for line in lines if (match := BOUND.match(line)))


def rows():
    text = (ROOT / "docs" / "versions.md").read_text()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if len(row) == 5 and re.match(r"\d", row[1])}


def test_every_package_is_listed():
    assert rows().keys() == bounds().keys()


@pytest.mark.parametrize(("package", "lowest"), bounds().items())
def test_the_lowest_version_is_the_bound(package, lowest):
    assert rows()[package][0] == lowest


@pytest.mark.parametrize("package", sorted(bounds().keys() - {"Python"}))
def test_the_pin_is_that_of_the_set_up(package):
    pins = (ROOT / "requirements.txt").read_text().replace("_", "-")
    pinned = re.search(rf"^{re.escape(package)}==(\S+)", pins, re.MULTILINE | re.IGNORECASE)
    assert pinned is not None
    assert rows()[package][1] == pinned.group(1)
