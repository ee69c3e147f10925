"""The page of the slow tests is read back as it was written, and decides what runs again."""

from dataclasses import replace

import pytest
from places import ROOT
from slow_page import PAGE, Outcome, brief, known, written

PASSED = Outcome(
    file="tests/house/test_layout.py", passed="3", failed="0", skipped="1", minutes="1.5",
    commit="abc1234",
    date="2026-01-02", machine="a | b, 2 cores", given="", lacking="ADQHW_DATA must name a folder",
)  # fmt: skip
NEVER = Outcome(file="tests/house/test_needs.py")


def test_rows_are_read_back():
    assert known(written([PASSED, NEVER])) == {PASSED.file: PASSED, NEVER.file: NEVER}


def test_summary_counts_what_was_run():
    again = replace(PASSED, file="tests/house/test_pages.py", passed="2", failed="1", minutes="0.5")
    summary = "2 of 3 files run: 5 tests passed, 1 failed, 2.0 minutes."
    assert summary in written([PASSED, NEVER, again]).splitlines()


@pytest.mark.parametrize(
    ("outcome", "settled"),
    [
        (PASSED, True),
        (replace(PASSED, failed="1"), False),
        (replace(PASSED, commit="abc1235"), False),
        (NEVER, False),
    ],
)
def test_what_passed_here_is_not_run_again(outcome, settled):
    assert outcome.settled("abc1234") is settled


def test_changed_files_are_always_run_again():
    assert not replace(PASSED, commit="abc1234+").settled("abc1234+")


def test_the_page_is_its_own_record():
    rows = known(PAGE.read_text())
    assert rows
    assert written(list(rows.values())) == PAGE.read_text()
    assert all((ROOT / file).is_file() for file in rows)


def test_a_tools_output_is_not_on_the_page():
    long = f"Verilator must compile the waves, not fail: /tmp/a {'x' * 200}; it needs lz4"
    assert brief(long) == "Verilator must compile the waves, not fail: ...; it needs lz4"
    assert brief("torch must see a GPU, not none") == "torch must see a GPU, not none"
