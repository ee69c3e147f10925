"""JSON schemas: one for every command, each valid, and compared with all that tests print."""

import json
from dataclasses import asdict

import json_records
import needs
import pytest
import typer
from cost_nets import small_net
from json_records import check
from places import GATES
from typer.testing import CliRunner

from adqhw import console
from adqhw.cli import app
from adqhw.commands.bench import train
from adqhw.commands.schema import names, schema_of
from adqhw.cost.technology.technology import Band
from adqhw.spec.host.reading import read_toml
from adqhw.spec.program_file import save
from adqhw.studies.ablation import page as ablation
from adqhw.studies.allocation import run as allocation
from adqhw.studies.budgets.budgets import LayerCost, Row
from adqhw.studies.budgets.verdict import Case, Side
from adqhw.studies.rtl.synthesis import Synthesis


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


# Commands that take hours or tools: their records, made as the command makes them.


@pytest.mark.parametrize("file", sorted(GATES.glob("*.toml")), ids=lambda file: file.stem)
def test_characterizations_are_what_characterize_prints(file):
    check("characterize", read_toml(file, "Characterization"))


def test_rows_of_trainings():
    budget = json.loads(json.dumps(asdict(ablation.Budget()), default=str))
    case = ablation.Row(
        group="g", name="n", changes=("a=1",), average_weight_bits=2.5, graph=None, integer=(90.0,)
    )
    check("bench ablation", {"budget": budget, "rows": [asdict(case)]})
    row = allocation.Row(
        average=2.5, rule="energy", widths={"conv": 2}, bits=2.4, predicted_loss=0.1, energy_nj=1.0,
        energy_low_nj=0.5, energy_high_nj=2.0, cycles=10.5, top1=(90.0, 91.0),
    )  # fmt: skip
    check("bench allocation", {"budget": "words", "rows": [asdict(row)]})
    setting = train.Setting(network="resnet20", batch=4, threads=1, amp=False, turns=1, steps=1)
    turns = {name: [{"seconds": 1.0, "peak_mib": 5.0}] for name in ("float", "adq")}
    rows = [train._row("adq", None, turns), train._row("brevitas", "not installed", turns)]
    record = {"setting": asdict(setting), "goal": train.GOALS[1], "rows": [asdict(r) for r in rows]}
    check("bench train", record)


@pytest.mark.parametrize("output", [None, Band.exactly(1.0)])
def test_rows_of_budgets_and_verdicts(output):
    one = Band.exactly(1.0)
    cost = LayerCost(name="conv", code_bits=4, depth=9, array_pj=one, weight_bits_read=8.0)
    row = Row(
        program="p", top1=90.0, weight_bits=4.0, library="l", micro="decode", cycles=10,
        array_pj=one, memory_pj=one, area_um2=1.0, output_pj=output, sums="memories",
        layers=(cost,),
    )  # fmt: skip
    check("bench budgets", {"rows": [row.to_dict()], "technology": "literature45"})
    sides = dict.fromkeys(
        ("before", "after", "before_dram", "after_dram"), Side(learned=row, plain=row)
    )
    case = Case(library="l", hold=1, sums="", plain=row, **sides)
    check("bench verdict", {"cases": [case.to_dict()]})


def test_rows_of_synthesis():
    rows = [
        Synthesis(design="d", target="ice40", luts=3, fmax_mhz=80.5),
        Synthesis(design="d", target="liberty"),
    ]
    check("bench synth", {"versions": {"yosys": "0.70"}, "rows": [asdict(row) for row in rows]})


def test_programs_are_evaluated_and_coded(tmp_path):
    """`evaluate`, `diff` and `bench entropy`, through the command line."""
    file = tmp_path / "p.safetensors"
    save(small_net(shape=(1, 8, 8), dataset="digits"), file)
    for words in (
        ["evaluate", file, "--limit", 4],
        ["diff", file, "--a", "golden", "--b", "numba"],
        ["bench", "entropy", file, "-o", tmp_path / "page.md"],
    ):
        done = call(*map(str, words), "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)
