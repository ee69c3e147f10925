"""Text and TOML files within bounds: whatever a file is, it is read or refused in one line."""

import os

import pytest

from adqhw.spec import InputError
from adqhw.spec.host.reading import (
    LEAST,
    MAX_TOML_BYTES,
    MOST,
    exact_keys,
    parse_toml,
    positive_number,
    read_text,
    read_toml,
)
from adqhw.spec.host.text import shown


def test_marks_and_line_ends_of_other_systems_are_taken(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert read_toml(path, "File") == {"a": 1, "b": 2}


def test_a_file_too_large_is_refused_and_the_largest_is_not(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b"#" * MAX_TOML_BYTES)
    assert read_toml(path, "File") == {}
    path.write_bytes(b"#" * (MAX_TOML_BYTES + 1))
    with pytest.raises(InputError, match="File must have at most 1,048,576 bytes"):
        read_toml(path, "File")


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent", "/dev/zero", "a\0b", "x" * 9999):
        with pytest.raises(InputError, match="must be") as caught:
            read_text(path, "File")
        assert "\0" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 50_000, "must be TOML with less nesting"),
        ("a = " + "9" * 5_000, "must be TOML: Exceeds the limit"),
        ("a = \x1b[31m", "must be TOML: Invalid value"),
        ("a = 1\na = 2", "must be TOML: Cannot overwrite a value"),
    ],
)
def test_what_the_parser_cannot_take_is_one_line(text, message):
    with pytest.raises(InputError) as caught:
        parse_toml(text, "File 'a'")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "value",
    [0, -1, True, None, "1", [1], {}, float("nan"), float("inf"), -0.0, 1e31, 1e-31, 1 << 20_000],
    ids=shown,
)
def test_numbers_that_no_count_may_be_multiplied_with_are_refused(value):
    with pytest.raises(InputError, match="Entry must be") as caught:
        positive_number(value, "Entry")
    assert len(str(caught.value)) < 200


def test_the_bounds_themselves_are_taken():
    assert [positive_number(v, "Entry") for v in (LEAST, 1, MOST)] == [LEAST, 1.0, MOST]


def test_values_of_files_are_shown_short():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    laughs: list = ["x"]
    for _ in range(60):
        laughs = [laughs] * 9
    for value in (nested, laughs, 1 << 100_000, "x" * 10**6, {"a" * 10**6: "b"}, "\x1b[31m"):
        text = shown(value)
        assert len(text) <= 81
        assert text.isprintable()
    assert shown([1, "a", None, 2.5]) == "[1, 'a', None, 2.5]"
    assert shown(-(1 << 64)) == "-18446744073709551616"
    while nested:  # taken apart: the interpreter frees deep lists by recursion
        nested = nested.pop()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "Array must be a table with rows, cols, not 3"),
        ({"rows": 1}, "Array must have 'cols'"),
        ({"rows": 1, "cols": 2, "colls": 3}, "no unknown key, not 'colls'; did you mean 'cols'"),
        ({"rows": 1, "cols": 2, "zzz": 3}, "'zzz'; known: rows, cols, micro"),
        ({"rows": 1, "cols": 2, 7: 3}, "no unknown key, not 7$"),
    ],
)
def test_a_table_has_exactly_its_keys(value, message):
    with pytest.raises(InputError, match=message):
        exact_keys(value, ("rows", "cols"), "Array", optional=("micro",))


def test_a_table_with_its_keys_is_returned():
    table = {"cols": 1, "rows": 2}
    assert exact_keys(table, ("rows", "cols"), "Array", optional=("micro",)) is table
