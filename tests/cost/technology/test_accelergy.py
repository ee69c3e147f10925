"""Energy reference tables: without unit, width and bar a table is refused."""

from importlib import resources
from pathlib import Path

import pytest
import typer
from cost_nets import small_net
from typer.testing import CliRunner

from adqhw.commands import estimate as estimate_command
from adqhw.console import guarded
from adqhw.cost.technology.technology import load
from adqhw.spec import InputError
from adqhw.spec.program_file import save

ERT = """\
ERT:
  version: '0.4'
  tables:
  - name: top.mac[1..256]
    actions:
    - {name: compute, arguments: {}, energy: 0.32}
    - {name: leak, arguments: null, energy: 0.0}
  - name: top.glb
    actions:
    - {name: read, arguments: {data_delta: 0}, energy: 4}
    - {name: read, arguments: {data_delta: 1}, energy: 8}
"""
SUMMARY = """\
ERT_summary:
  version: '0.4'
  table_summary:
  - name: top.mac[1..256]
    actions:
    - {name: compute, average_energy: 0.32, max_energy: 0.32, min_energy: 0.32}
"""
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MAC = '{ table = "top.mac", action = "compute", divide = 64, low = 0.5, high = 2 }'


def written(folder: Path, line: str, unit: str | None = "pJ", ert: str = ERT) -> Path:
    """The literature table with `multiply` taken from an ERT by `line`."""
    text = (resources.files("adqhw.cost.technology") / "tech" / "literature45.toml").read_text()
    head, _, rest = text.partition("[entry.multiply]\n")
    value, _, rest = rest.partition("\n")
    assert value.startswith("value")
    names = 'ert = "own.yaml"\n' + (f'ert_unit = "{unit}"\n' if unit else "")
    head = head.replace("[technology]\n", f"[technology]\n{names}")
    (folder / "own.yaml").write_text(ert)
    path = folder / "own.toml"
    path.write_text(f"{head}[entry.multiply]\n{line}\n{rest}")
    return path


def test_an_entry_is_the_tables_energy_per_bit_with_the_bar_given(tmp_path):
    """0.32 pJ of an 8 x 8 multiply: 0.005 per bit^2, from half to twice of it."""
    band = load(written(tmp_path, f"ert = {MAC}"))["multiply"]
    assert (band.low, band.expected, band.high) == pytest.approx((0.0025, 0.005, 0.01))
    scaled = load(written(tmp_path, f"ert = {MAC}", unit="nJ"))["multiply"]
    assert scaled.expected == pytest.approx(5.0)
    line = MAC.replace("top.mac", "top.glb").replace("compute", "read")
    line = line.replace("}", ", arguments = { data_delta = 1 } }")
    assert load(written(tmp_path, f"ert = {line}"))["multiply"].expected == pytest.approx(0.125)


def test_energies_as_other_writers_write_them(tmp_path):
    """PyYAML takes 1e-1 for a text, and Windows ends its lines otherwise; aliases may be shared."""
    text = ERT.replace("0.32", "3.2e-1").replace("arguments: {}", "arguments: &none {}")
    text = text.replace("arguments: null", "arguments: *none").replace("\n", "\r\n")
    band = load(written(tmp_path, f"ert = {MAC}", ert=text))["multiply"]
    assert band.expected == pytest.approx(0.005)


@pytest.mark.parametrize(
    "energy", ["-1", ".inf", ".nan", "1e40", "1e-40", "2020-99-99", "٣", "[1]"]
)
def test_an_energy_that_is_no_positive_number_is_refused(tmp_path, energy):
    text = ERT.replace("0.32", energy)
    with pytest.raises(InputError, match=r"energy of .* must be"):
        load(written(tmp_path, f"ert = {MAC}", ert=text))


@pytest.mark.parametrize(
    ("line", "unit", "message"),
    [
        (MAC.replace(", high = 2", ""), "pJ", "ert must have 'high': an ERT has no bars"),
        (MAC.replace("divide = 64, ", ""), "pJ", "ert must have 'divide'"),
        (MAC.replace("low = 0.5", "low = 1.5"), "pJ", "low <= 1 <= high"),
        (MAC.replace("compute", "multiply"), "pJ", "must name an action of ERT 'own.yaml'"),
        (MAC.replace("compute", "leak"), "pJ", "must be a positive finite number, not 0.0"),
        (MAC.replace("top.mac", "top.glb").replace("compute", "read"), "pJ", "2 match"),
        (MAC.replace("divide", "typo = 1, divide"), "pJ", "no unknown key, not 'typo'"),
        (MAC, None, "ert_unit must be one of fJ, pJ, nJ, not None"),
        (MAC, "J", "ert_unit must be one of fJ, pJ, nJ, not 'J'"),
    ],
)
def test_what_an_ert_leaves_out_must_be_said(tmp_path, line, unit, message):
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, f"ert = {line}", unit))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("ert", "message"),
    [
        ("ERT: [1", "ERT must be YAML"),
        ("tables: []", "must have ERT: tables:"),
        ("ERT: {tables: [{name: a}]}", "every table must have a name and actions"),
        ("ERT: {tables: [{name: a, actions: [{name: b}]}]}", "a name and an energy"),
        (
            SUMMARY,
            "must be the full table .ERT.yaml of the same run of Accelergy., not its summary",
        ),
        (LAUGHS, "more than 200,000 nodes, aliases written out"),
        ("ERT: &a {tables: *a}", "alias 'a' is a part of itself"),
        ("ERT: {tables: *a}", "found undefined alias"),
        ("ERT: " + "[" * 100_000, "nested more than 16 deep"),
        ("- a\n" * 200_001, "more than 200,000 nodes"),
        ("ERT: " + "a" * (4 << 20), "ERT must have at most 4,194,304 bytes"),
        ("ERT: \x1b[31m", "control characters are not allowed"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        (
            "ERT: {tables: [{name: a, actions: [{name: b, energy: 1, arguments: [2]}]}]}",
            "arguments must be a table",
        ),
    ],
)
def test_a_bad_ert_is_refused(tmp_path, ert, message):
    with pytest.raises(InputError, match=message):
        load(written(tmp_path, f"ert = {MAC}", ert=ert))


app = typer.Typer()
app.command()(guarded(estimate_command.command, "estimate"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("value = { low = 0.1, high = 0.3 }", "must have 'expected': nothing defaults"),
        ("value = 0.1", "must be a table with low, expected, high"),
        ("value = { low = 0.0, expected = 0.1, high = 1 }", "must be a positive finite number"),
    ],
)
def test_a_technology_without_bars_is_one_line_and_exit_code_2(tmp_path, line, message):
    program = tmp_path / "net.safetensors"
    save(small_net(), program)
    table = written(tmp_path, line)
    result = CliRunner().invoke(app, [str(program), "--tech", str(table)])
    assert result.exit_code == 2
    assert message in result.stderr.strip().splitlines()[-1]
    result = CliRunner().invoke(app, [str(program), "--tech", "sky13"])
    assert result.exit_code == 2
    assert "Technology must be one of" in result.stderr
