"""docs/architecture.md shows every room and sub-room; test_pages.py checks its paths."""

import re
import tomllib
from itertools import pairwise

from places import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]


def test_every_folder_of_the_package_is_on_the_page():
    folders = PYPROJECT["setuptools"]["package-dir"].values()
    assert not [folder for folder in folders if f"`{folder}/`" not in PAGE]


def test_the_drawing_has_the_rooms_in_the_order_of_the_contract():
    drawing = PAGE.split("```")[1]
    contract = PYPROJECT["importlinter"]["contracts"][0]["layers"]
    modules = {"cli", "__main__", "app", "commands", "console"}
    rooms = [set(layer.replace(" ", "").split("|")) for layer in contract]
    lines = [set(re.findall(r"[a-z]+", line[:40])) for line in drawing.splitlines()]
    for above, below in pairwise(rooms):
        if above <= modules or ":" in "".join(above):
            continue
        at = [next(i for i, line in enumerate(lines) if layer <= line) for layer in (above, below)]
        assert at[0] < at[1], (above, below)


def test_ten_changes_are_explained():
    table = PAGE.split("## Where do I change ...")[1]
    assert len(re.findall(r"^\| (?!what|---)", table, re.M)) >= 10
