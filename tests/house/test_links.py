"""No page is a dead end: it is in a table of contents, another page names it, it names others."""

import re
from functools import cache
from pathlib import Path

import pytest
from places import PAGES, ROOT

INDEX = ROOT / "docs" / "index.md"
LINK = re.compile(r"\]\(([^)#:\s]+\.md)(?:#[^)]*)?\)")
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.M | re.S)
FRAGMENT = ROOT / "verify" / "mutation" / "survivors.md"
OTHERS = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
SITE = [page for page in (*PAGES, *OTHERS) if page not in (INDEX, FRAGMENT)]
CARDS = ROOT / "zoo" / "cards", ROOT / "zoo" / "networks" / "cards"
OUT = 2
"""Other pages that a page names at least."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def linked(page: Path) -> frozenset[Path]:
    """Pages that a page names, itself not among them."""
    found = {(page.parent / link).resolve() for link in LINK.findall(page.read_text())}
    return frozenset(found - {page})


@cache
def contents() -> frozenset[Path]:
    """Pages in the tables of contents of the site."""
    lines = [line for tree in TOCTREE.findall(INDEX.read_text()) for line in tree.splitlines()]
    entries = [line for line in lines if line and not line.startswith(":")]
    return frozenset((INDEX.parent / f"{entry}.md").resolve() for entry in entries)


def test_the_contents_are_pages():
    assert not [page for page in contents() if not page.exists()]


@pytest.mark.parametrize("page", SITE, ids=name)
def test_a_page_has_a_way_in(page):
    if page.parent not in CARDS:  # listed by docs/_ext/reference.py
        assert page in contents(), "docs/index.md: no table of contents has it"
    assert any(page in linked(other) for other in (INDEX, *SITE) if other != page)


@pytest.mark.parametrize("page", SITE, ids=name)
def test_a_page_has_a_way_out(page):
    if page.name != "CHANGELOG.md":  # a list of changes; it names files of former versions
        assert len(linked(page)) >= OUT, "a page ends in a line with links to its neighbours"
