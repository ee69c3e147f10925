"""Names from files in terminals and in spreadsheets."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.spec.host.text import csv_text, file_part, printable, warn


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


@settings(max_examples=50, derandomize=True)
@given(st.text(st.characters(codec=None), max_size=90))
def test_a_name_becomes_one_part_of_a_path(name):
    part = file_part(name)
    assert part == Path(part).name
    assert part not in ("", ".", "..")
    assert not part.startswith(".")
    assert len(part.encode()) < 100
    assert "\x00" not in part


def test_plain_names_of_files_stand_and_others_stay_apart():
    assert file_part("literature45-v1.2_a") == "literature45-v1.2_a"
    odd = ["../../../X", "..", "", "a/b", "a_b", "a:b", "x" * 70, "x" * 71, "~", "A B"]
    assert len({file_part(name) for name in odd}) == len(odd)


def test_a_warning_is_one_line(capsys):
    warn("first\nsecond \x1b[31m")
    assert capsys.readouterr().err == "adqhw: warning: first second \\x1b[31m\n"
