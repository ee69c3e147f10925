"""Names from files on their way to a terminal and to spreadsheets."""

from hypothesis import given
from hypothesis import strategies as st

from adqhw.spec.text import csv_text, printable


def test_an_escape_sequence_is_shown_and_not_obeyed():
    assert printable("a\x1b[31mb\r\n") == "a\\x1b[31mb\\r\\n"


def test_direction_marks_and_lone_surrogates_are_shown():
    assert printable("a\u202eb") == "a\\u202eb"
    assert printable("a\ud800b") == "a\\ud800b"


def test_plain_names_of_any_script_stand():
    assert printable("층1 conv é µ") == "층1 conv é µ"


def test_long_text_is_cut():
    assert printable("x" * 1000, limit=10) == "x" * 10 + "…"


@given(st.text(st.characters(codec=None)))
def test_whatever_comes_can_be_printed(text):
    shown = printable(text)
    shown.encode("utf-8")  # no lone surrogate is left
    assert all(sign.isprintable() or sign == " " or sign.isspace() for sign in shown)
    assert "\x1b" not in shown
    assert "\n" not in shown


def test_a_formula_becomes_text_in_a_spreadsheet():
    assert [csv_text(x) for x in ("=1+1", "@a", "-2", "conv1")] == ["'=1+1", "'@a", "'-2", "conv1"]
