"""One version: pyproject.toml's, and what repeats it."""

import re
import tomllib
from importlib import metadata

from places import ROOT

import adqhw

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
SECTIONS = ("Added", "Changed", "Fixed", "Numbers")


def test_everything_has_the_version_of_pyproject():
    version = PYPROJECT["version"]
    assert metadata.version("adqhw") == version, "installed before it changed: run `make setup`"
    assert adqhw.__version__ == version
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited is not None
    assert cited.group(1) == version


def test_the_changelog_has_one_habit():
    """Its newest dated section is the version, of the day that CITATION.cff says."""
    dated = re.findall(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", CHANGELOG, re.MULTILINE)
    cited = re.search(r"^date-released: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited is not None
    assert dated[0] == (PYPROJECT["version"], cited.group(1))
    for part in CHANGELOG.split("\n## ")[1:]:
        headings = re.findall(r"^### (.+)$", part, re.MULTILINE)
        assert headings == [name for name in SECTIONS if name in headings], part[:40]
        bare = [line for line in part.split("\n### ")[0].splitlines() if line.startswith("- ")]
        assert not bare, f"entries stand in a section: {bare[0]}"


def test_supported_pythons_are_classified():
    assert PYPROJECT["requires-python"] == ">=3.11"
    said = [line.rsplit(" ", 1)[1] for line in PYPROJECT["classifiers"] if ":: 3." in line]
    assert said == ["3.11", "3.12", "3.13"]
