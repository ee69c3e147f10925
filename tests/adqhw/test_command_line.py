"""Pages tell the command that wrote them: read back, it means the same."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.commands.command_line import command_line

PROBE = typer.Typer()


@PROBE.command("probe")
def probe(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument()],
    gates: Annotated[list[Path] | None, typer.Option()] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out")] = None,
    data: Annotated[Path | None, typer.Option()] = None,
    repair: Annotated[bool, typer.Option("--repair/--no-repair")] = True,
    rows: Annotated[int, typer.Option()] = 16,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """What the command line was."""
    print(command_line(context))


@PROBE.command("other")
def other() -> None:
    """So that `probe` is a command of a group."""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a/b.toml"], "b.toml"),
        (["a/b.toml", "c d.toml", "--rows", "16"], "b.toml 'c d.toml' --rows 16"),
        (["x", "--gates", "p/q", "--gates", "r"], "x --gates q --gates r"),
        (["x", "--data", "/home/me/cifar", "-o", "page.md", "--json"], "x --data DIR"),
        (["x", "--no-repair"], "x --no-repair"),
    ],
)
def test_what_was_given_is_told(words, told):
    result = CliRunner().invoke(PROBE, ["probe", *words])
    assert result.stdout.strip() == f"adqhw probe {told}"


def test_pages_of_results_are_written_by_commands_that_are_there():
    """Every `Written by` names options that its command has."""
    root = typer.main.get_command(app)
    pages = sorted((Path(__file__).parents[2] / "docs" / "results").glob("*.md"))
    found = 0
    for page in pages:
        for line in page.read_text(encoding="utf-8").splitlines():
            if not line.startswith("Written by `adqhw "):
                continue
            words = line.split("`")[1].split()[1:]
            command = root
            while hasattr(command, "commands"):
                command = command.commands[words.pop(0)]
            options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
            assert {word for word in words if word.startswith("-")} <= options, page.name
            tables = [n for n, word in enumerate(words) if word.endswith(".toml")]
            if command.name in ("budgets", "bars", "verdict", "tornado"):
                assert all(words[n - 1] == "--gates" for n in tables), page.name
            found += 1
    assert found >= 8
