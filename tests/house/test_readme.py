"""The README stays true: its commands exist with their options, its files and folders are there."""

import re

import pytest
from places import PAGES, ROOMS, ROOT
from typer.testing import CliRunner

from adqhw.cli import app

README = (ROOT / "README.md").read_text()
INDENTED = re.compile(r"^    (adqhw [^#\n]*)", re.M)
COMMANDS = sorted({line.strip() for page in PAGES for line in INDENTED.findall(page.read_text())})


@pytest.mark.parametrize("line", COMMANDS)
def test_command_exists_with_its_options(line):
    words = line.split()
    name = words[1:3] if words[1] == "bench" else words[1:2]
    help_text = CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": "200"})
    assert help_text.exit_code == 0, line
    for option in (word for word in words if word.startswith("-")):
        assert re.search(rf"(^|[\s│]){re.escape(option)}\b", help_text.output), (line, option)


def test_recipes_named_in_commands_exist():
    from adqhw.adq.recipes import recipes

    named = {line.split()[2] for line in COMMANDS if line.startswith("adqhw train ")}
    assert named
    assert named <= set(recipes.names())


def test_make_targets_named_in_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_links_and_folders_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    rows = re.findall(r"^\| ((?:`[a-z]+/`(?:, )?)+) \|", README, re.M)
    assert {name for row in rows for name in re.findall(r"[a-z]+", row)} == {*ROOMS, "tests"}


def test_readme_is_one_page():
    assert len(README.splitlines()) <= 120
    first_screen = README.splitlines()[:40]
    assert any("make demo" in line for line in first_screen)
