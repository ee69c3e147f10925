"""Foreign files and modules that are refused: one line each, exit code 2, as the page says."""

from itertools import chain

import pytest
import refusals
from places import ROOT

PAGE = ROOT / "docs" / "refusals.md"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("refused"))
        return list(refusals.files()), list(refusals.modules())


def test_every_input_is_refused_in_one_line(rows):
    files, modules = rows
    assert len(files) >= 20
    assert len(modules) >= 15
    for *_, line in chain(files, modules):
        assert "must" in line or "(" in line, line
        assert len(line) < 900, line


def test_the_page_has_these_lines(rows):
    """Where they differ: `python tests/support/files/refusals.py` writes them anew."""
    text = PAGE.read_text()
    for table in refusals.tables(*rows):
        assert table in text, f"docs/refusals.md must have this table:\n{table}"
