"""Blocks of a page are executed in order, and a text that was not printed is noticed."""

from pathlib import Path

import pytest
from executed_page import PAGES, blocks, commands, empty_folder, execute, occurs


def page(folder: Path, text: str) -> Path:
    file = folder / "page.md"
    file.write_text(text)
    return file


def test_files_python_and_commands_share_a_folder(tmp_path):
    text = (
        "```python file=own.py\nVALUE = 41\n```\n"
        "```python\nimport own\nprint(own.VALUE + 1)\n```\n```text\n42\n```\n"
        "```sh\nadqhw --version  # prints one line\n```\n```text\nadqhw ...\n```\n"
        "```toml\nnot = executed\n```\n"
    )
    with empty_folder():
        assert execute(page(tmp_path, text))["own"].VALUE == 41
        assert Path("own.py").exists()
    assert not Path("own.py").exists()


@pytest.mark.parametrize("block", ["```python\nassert 0\n```\n", "```sh\nadqhw no-command\n```\n"])
def test_what_fails_is_an_error(tmp_path, block):
    with empty_folder(), pytest.raises(AssertionError):
        execute(page(tmp_path, block))


def test_a_text_that_was_not_printed_is_an_error(tmp_path):
    with empty_folder(), pytest.raises(AssertionError, match="the page says"):
        execute(page(tmp_path, "```python\nprint(41)\n```\n```text\n42\n```\n"))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("b ... d\n", True), ("a\n...\nlast\n", True), ("a\nlast\n", False), ("c d\n", False)],
)
def test_lines_follow_each_other(wanted, found):
    assert occurs(wanted, "a\nb  c   d\n\nlast\n") is found


def test_a_command_may_have_several_lines():
    assert commands("adqhw a \\\n  --b\n# nothing\nadqhw c\n") == ["adqhw a    --b", "adqhw c"]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_pages_that_are_executed_have_blocks(file):
    assert {"python", "sh"} & {kind for kind, _, _ in blocks(file)}
