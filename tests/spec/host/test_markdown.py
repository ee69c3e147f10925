"""Tables and pages: cells stay cells, and only what lies between the markers changes."""

import pytest

from adqhw.spec import InputError
from adqhw.spec.host.markdown import table, write_between

MARKS = ("<!-- begin -->", "<!-- end -->")


def test_a_cell_ends_no_cell_and_no_row():
    lines = table(("name", ("count", "---:")), [("a|b", 3), ("c\\|d", None), ("e\nf", "")])
    assert lines == [
        "| name | count |",
        "| --- | ---: |",
        "| a\\|b | 3 |",
        "| c\\|d | None |",
        "| e\\nf |  |",
    ]


def test_only_the_marked_part_of_a_page_changes(tmp_path):
    page = tmp_path / "page.md"
    write_between(page, "Title", MARKS, None)
    assert page.read_text() == f"# Title\n\n{MARKS[0]}\n{MARKS[1]}\n"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    write_between(page, "Title", MARKS, "new")
    assert page.read_text() == f"before\n{MARKS[0]}\n\nnew\n{MARKS[1]}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(InputError, match="must hold the lines"):
        write_between(page, "Title", MARKS, "new")
