"""What commands print: names of files as text, never as markup, links or escape sequences."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT
from rich.progress import Progress

from adqhw import console
from adqhw.console import (
    PlainColumn,
    each,
    one_line,
    people,
    plain,
    progress,
    say,
    show_table,
    stages,
)
from adqhw.spec.errors import InputError
from adqhw.spec.host.text import warn

HOSTILE = (
    "[/x]a",
    "[red]a[/red]",
    "[/red]",
    "[link=file:///etc/passwd]x[/link]",
    ":smile:",
    r"\[bold]",
    "$\\frac{$",
    "<b>&amp;</b>",
)
ESCAPES = ("\x1b[2J", "\x1b]0;owned\x07", "a\nadqhw: done", "\r\x08\x7f", "\u202eabc", "\ud800")
PACKAGE = ROOT


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_printed_as_it_stands(capsys, name):
    say(f"layer {name}")
    show_table(f"of {name}", ("layer", name), [(name, 1)])
    warn(f"picture of {name}")
    with people.status(name) as status:
        status.update(name)
    with progress(name, 1) as advance:
        advance(1)
    people.print(name, style="bold")
    err = capsys.readouterr().err
    assert err.count(name) >= 6


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_that_a_terminal_obeys_is_printed(capsys, name):
    say(name)
    show_table(name, (name,), [(name,)])
    warn(name)
    people.print(name)
    with people.status(name) as status, progress(name, 1):
        status.update(name)
    err = capsys.readouterr().err
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\ud800]", err)
    assert not [line for line in err.splitlines() if line.startswith("adqhw: done")]


@settings(max_examples=60, derandomize=True)
@given(st.text(max_size=30))
def test_any_text_is_one_line_of_visible_signs(name):
    """The rendered segments of a line are its visible text, whatever it holds."""
    with people.capture() as shown:
        people.print(name, soft_wrap=True)
    assert shown.get().rstrip("\n") == str(plain(name))
    assert "\n" not in one_line(InputError(name))


def test_bars_of_other_commands_take_names_too(capsys):
    with Progress(PlainColumn("{task.description}"), console=people) as bar:
        bar.add_task("[/x]\x1b[2J", total=1)
    assert "[/x]\\x1b[2J" in capsys.readouterr().err


def test_only_the_console_makes_rich_text():
    """Markup comes back only where strings become rich objects: in `PlainConsole`."""
    makers = re.compile(r"TextColumn\(|from_markup|\bConsole\(|rich\.print|import print\b|\.markup")
    rooms = ("spec", "adq", "sim", "rtl", "cosim", "adqhw")
    found = [
        path.relative_to(PACKAGE).as_posix()
        for room in rooms
        for path in (PACKAGE / room).rglob("*.py")
        if makers.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.fixture
def terminal(monkeypatch):
    """What people see on a terminal."""
    shown = io.StringIO()
    seen = console.PlainConsole(file=shown, force_terminal=True, highlight=False, width=100)
    monkeypatch.setattr(console, "people", seen)
    return shown


def test_items_are_told_and_counted(terminal):
    with each("programs", ["a[x]", "b"], lambda name: f"the {name}") as items:
        assert list(items) == ["a[x]", "b"]
    err = terminal.getvalue()
    assert err.index("the a[x]") < err.index("the b")
    assert "2/2" in err


def test_a_stage_begins_at_its_own_total(terminal):
    with stages() as tell:
        work(tell)
    err = terminal.getvalue()
    assert "simulate" in err
    assert "3/3" in err


def work(tell):
    for stage, total in (("build", 1), ("simulate", 3)):
        for done in range(total + 1):
            tell(stage, done, total)


def test_without_a_terminal_there_are_no_bars(capsys):
    with each("programs", ["a", "b"]) as items:
        assert list(items) == ["a", "b"]
    with stages() as tell:
        work(tell)
    assert capsys.readouterr().err == "a\nb\n"
