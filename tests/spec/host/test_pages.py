"""Result pages: long tables become CSV files, the way in and out stands at the end."""

import csv

from adqhw.spec.host.markdown import table
from adqhw.spec.host.pages import LONGEST, SHOWN, laid_out, publish

HEAD = "# Title\n\nWritten by `adqhw bench x -o p.md`; do not edit.\n\nWhat follows.\n"
SEE = "[Other](other.md)."


def rows(count: int) -> list[list[object]]:
    return [[f"a|{n}", f"-{n}.5", "**outside**" if n % 2 else "=1+1"] for n in range(count)]


def test_how_it_was_written_is_said_last():
    page, tables = laid_out(HEAD, "p", SEE)
    assert page == (
        "# Title\n\nWhat follows.\n\n## See also\n\n[Other](other.md).\n\n"
        "Written by `adqhw bench x -o p.md`; do not edit.\n"
    )
    assert not tables


def test_a_long_table_is_whole_in_its_file(tmp_path):
    columns = ("name", ("value", "---:"), "")
    lines = [HEAD, "## One & two", "", *table(columns, rows(LONGEST + 1)), "", "After.", ""]
    path = tmp_path / "p.md"
    (tmp_path / "p.gone.csv").write_text("of a former page")
    (tmp_path / "p-other.x.csv").write_text("of another page")
    publish(path, "\n".join(lines), SEE)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["p-other.x.csv", "p.md", "p.one-two.csv"]
    found = list(csv.reader((tmp_path / "p.one-two.csv").read_text().splitlines()))
    assert found[0] == ["name", "value", ""]
    assert len(found) == LONGEST + 2
    assert found[1:3] == [["a|0", "-0.5", "'=1+1"], ["a|1", "-1.5", "outside"]]
    page = path.read_text()
    assert page.count("\n| a") == SHOWN
    assert f"The first {SHOWN} of {LONGEST + 1} rows; all are in [p.one-two.csv]" in page
    assert "\n\nAfter.\n\n## See also" in page


def test_a_short_table_stays_and_two_long_ones_have_two_files():
    short = table(("a", "b", "c"), rows(LONGEST))
    page, tables = laid_out("\n".join([HEAD, *short]), "p", SEE)
    assert "\n".join(short) in page
    assert not tables
    long = table(("a", "b", "c"), rows(LONGEST + 1))
    page, tables = laid_out("\n".join([HEAD, "## Same", *long, "", *long]), "p", SEE)
    assert list(tables) == ["p.same.csv", "p.same1.csv"]
