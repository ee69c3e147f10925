"""JSON schemas: one for every command, each valid, and compared with all that tests print."""

import json

import json_records
import needs
import pytest
import typer
from typer.testing import CliRunner

from adqhw import console
from adqhw.cli import app
from adqhw.commands.schema import names, schema_of


def call(*words):
    return CliRunner().invoke(app, list(words))


def commands():
    """Words of every command of the command line."""
    top = typer.main.get_command(app)
    bench = top.commands["bench"]
    return sorted([*(set(top.commands) - {"bench"}), *(f"bench {name}" for name in bench.commands)])


def test_every_command_has_a_schema_and_takes_json():
    assert sorted(names()) == commands()
    top = typer.main.get_command(app)
    for words in commands():
        command = top
        for word in words.split():
            command = command.commands[word]
        assert any("--json" in option.opts for option in command.params), words


@pytest.mark.parametrize("words", names())
def test_schemas_are_valid_strict_and_complete(words):
    needs.package("jsonschema", "pip install 'adqhw[dev]'")
    from jsonschema import Draft202012Validator

    printed = json.loads(call("schema", *words.split()).stdout)
    assert printed == schema_of(words)
    assert printed["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert printed["title"] == f"adqhw {words} --json"
    Draft202012Validator.check_schema(printed)
    for part in parts(printed):
        if "properties" in part:
            assert "additionalProperties" in part, part
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/$defs/") in printed["$defs"]


def parts(schema):
    """All objects inside a schema, itself among them."""
    yield schema
    for value in schema.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from parts(item)


def test_an_unknown_command_is_one_line():
    done = call("schema", "bench", "nothing")
    assert done.exit_code == 2
    assert "Command must be one of" in done.stderr
    assert "not 'bench nothing'" in done.stderr
    assert json.loads(call("schema", "--json").stdout) == {"commands": names()}


@pytest.mark.parametrize("change", [{"more": 1}, {"demo": "yes"}, {"findings": None}])
def test_a_record_that_its_schema_does_not_describe_fails(monkeypatch, change):
    """What `json_records.watch` puts in the place of `console.json_text`."""
    needs.package("jsonschema", "pip install 'adqhw[dev]'")
    assert console.json_text is json_records.checked_text
    record = {"version": "1", "demo": True, "findings": []}
    token = console.running.set("doctor")
    try:
        assert json.loads(console.json_text(record)) == record
        with pytest.raises(AssertionError, match="adqhw doctor --json: "):
            console.json_text(record | change)
    finally:
        console.running.reset(token)
