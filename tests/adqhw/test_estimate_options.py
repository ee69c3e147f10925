"""Options of `adqhw estimate` in every mode: each one changes the answer or is refused.

An option that is taken and changes nothing is the fault that these tests look for, alone and beside
every other option.
"""

import inspect
import json
import re
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cost_nets import small_net
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.commands import estimate
from adqhw.gates.array.structure import STRUCTURE
from adqhw.gates.model.parts import WIDTHS, Part, terms_of
from adqhw.rtl.program.fit import narrowest
from adqhw.spec.program_file import save

PROGRAM = small_net()
WIDEST = narrowest(PROGRAM, rows=16, cols=16)
TOPOLOGY = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
    "Strides,\na, 9, 9, 3, 3, 20, 24, 1,\nb, 1, 40, 1, 40, 3, 20, 1,\n"
)
JOULES = r"[\d)] [pnµm]?J\b"
MODES = ("program", "gates", "lanes", "systolic")
OPTIONS = {
    "--arch": "arch.toml", "--rows": "4", "--cols": "4", "--micro": "uniform", "--hold": "4",
    "--fill": "2", "--out-lanes": "2", "--multiply-width": "3", "--tech": "unit",
    "--data": ".", "--input": "two.npy", "--images": "1", "--batch": "2", "--resident": None,
    "--bandwidth": "8", "--weight-bits": "3", "--act-bits": "3", "--bits": "*=3",
    "--dataflow": "os", "--gates": "gates.toml", "--memories": "sram45", "--dram": "lpddr4",
    "--clock": "200", "--voltage": "0.8",
}  # fmt: skip
"""Each with a value that is not its default (--json is what the tests read)."""
PRICES = {"--memories", "--dram", "--clock", "--voltage"}
"""They act after everything else is counted: pairs are tried with what sets prices and rates."""
BESIDE_PRICES = {"--tech", "--batch", "--resident", "--bandwidth"}

REFUSED = {
    "--data": "CIFAR-10 folder",
    "--gates": "Images must be given with --data or --input",
    "--multiply-width": "micro must be uniform",
}
"""Refusals in other words than the option's name."""


def characterization(micro: str) -> list[str]:
    """A [micro.NAME] of lanes wider than the program requires, with invented coefficients."""
    widths = {name: getattr(WIDEST, name) for name in WIDTHS[Part.ARRAY]}
    widths |= {"acc_width": 26, "level_width": 8, "act_width": 8}
    energies = dict.fromkeys(terms_of(Part.ARRAY, micro), 1.5)
    areas = dict.fromkeys(STRUCTURE, 100.0)
    lines = [f"[micro.{micro}]", *(f"{k} = {v}" for k, v in widths.items())]
    lines += ["test_real_worst_percent = -5.0", f"[micro.{micro}.energy_fj]"]
    lines += [f"{k} = {v}" for k, v in energies.items()]
    return [*lines, f"[micro.{micro}.area_um2]", *(f"{k} = {v}" for k, v in areas.items())]


@dataclass
class Bench:
    """A folder with everything that the options name."""

    folder: Path
    answers: dict[Any, Any] = field(default_factory=dict)

    def words(self, mode: str, options: tuple[str, ...]) -> list[str]:
        words = ["estimate", "net.csv" if mode in ("lanes", "systolic") else "p.safetensors"]
        mine = {"systolic": ("--dataflow",), "gates": ("--gates", "--input")}.get(mode, ())
        for name in dict.fromkeys((*mine, *options)):
            value = OPTIONS[name]
            words += [name] if value is None else [name, value]
        return [*words, "--json"]

    def answer(self, mode: str, *options: str) -> tuple[Any, str]:
        """(the record, or None where it was refused; the message)."""
        key = (mode, options)
        if key not in self.answers:
            result = CliRunner().invoke(app, self.words(mode, options))
            assert result.exit_code in (0, 2), result.output
            record = json.loads(result.stdout) if result.exit_code == 0 else None
            if record is not None:
                del record["program" if "program" in record else "topology"]
                record.pop("seconds", None)
            self.answers[key] = record, result.stderr
        return self.answers[key]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    save(PROGRAM, folder / "p.safetensors")
    (folder / "net.csv").write_text(TOPOLOGY)
    images = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    np.save(folder / "two.npy", images)
    arch = narrowest(PROGRAM, rows=8, cols=4).to_dict()
    nested = [f"[{k}]\n" + "\n".join(f"{a} = {b}" for a, b in v.items())
              for k, v in arch.items() if isinstance(v, dict)]  # fmt: skip
    flat = [f"{k} = {json.dumps(v)}" for k, v in arch.items() if not isinstance(v, dict)]
    (folder / "arch.toml").write_text("\n".join([*flat, *nested]))
    head = ['[characterization]\nliberty = "made up"\nfit_sizes = [[8, 4]]\ntest_size = [16, 16]']
    tables = [line for m in ("decode", "uniform") for line in characterization(m)]
    (folder / "gates.toml").write_text("\n".join([*head, *tables]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Bench(folder)


def test_every_option_of_the_command_is_tried():
    parameters = set(inspect.signature(estimate.command).parameters)
    named = {name[2:].replace("-", "_") for name in OPTIONS}
    assert parameters == named - {"input"} | {"program", "input_file", "as_json"}
    taken = set().union(*estimate.TAKEN.values())
    assert taken == set(OPTIONS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_the_answer_or_is_refused(bench, mode, option):
    plain, said = bench.answer(mode)
    assert plain is not None, said
    if (mode, option) in {("systolic", "--dataflow"), ("gates", "--gates"), ("gates", "--input")}:
        return  # what makes the mode
    record, said = bench.answer(mode, option)
    if record is None:
        assert len(said.strip().splitlines()) == 1
        assert option in said or REFUSED.get(option, "no other words") in said
    else:
        assert record != plain, f"{option} was taken and changed nothing"


@pytest.mark.parametrize("mode", MODES)
def test_an_option_beside_another_changes_the_answer_or_is_refused(bench, mode):
    own = {"systolic": {"--dataflow"}, "gates": {"--gates", "--input"}}.get(mode, set())
    alone = {o for o in OPTIONS if o in own or bench.answer(mode, o)[0] is not None}
    if mode == "program":
        alone |= {"--images"}  # beside --input
    if mode in ("program", "lanes"):
        alone |= {"--multiply-width"}  # beside --micro
    for pair in combinations(sorted(alone - own), 2):
        if PRICES & set(pair) and not set(pair) <= PRICES | BESIDE_PRICES:
            continue
        record, _ = bench.answer(mode, *pair)
        for one in pair:
            if record is not None and bench.answer(mode, one)[0] is not None:
                assert record != bench.answer(mode, one)[0], pair


def test_what_is_estimated_names_where_an_option_belongs(bench):
    _, said = bench.answer("systolic", "--tech")
    assert said.strip() == (
        "adqhw: --tech must go with a program or a topology (.csv) on the lane array, not with a "
        "topology (.csv) with --dataflow"
    )


def test_a_topology_may_end_in_capitals(bench):
    (bench.folder / "NET.CSV").write_text(TOPOLOGY)
    result = CliRunner().invoke(app, ["estimate", "NET.CSV", "--json"])
    assert json.loads(result.stdout)["total"] == bench.answer("lanes")[0]["total"]


def test_the_lanes_that_gates_are_of_are_said(bench):
    """The program's widest activations are 8 bits; its sums are narrower than the 26 costed."""
    record, _ = bench.answer("gates")
    acc = narrowest(PROGRAM, rows=16, cols=16).acc_width
    assert record["gates"]["substituted"]["acc_width"] == {"asked": acc, "costed": 26}
    assert any(f"acc_width 26 for {acc}" in text for text in record["warnings"])
    assert record["gates"]["bar"]
    low, expected, high = (record["gates"]["energy_pj"][k] for k in ("low", "expected", "high"))
    assert (low, high) == (pytest.approx(0.95 * expected), pytest.approx(1.05 * expected))


def test_beyond_the_measured_sizes_there_is_no_bar(bench):
    record, _ = bench.answer("gates", "--rows")
    assert record["gates"]["untested"] == "arrays were measured with 8 to 16 rows, not 4"
    assert record["gates"]["energy_pj"]["high"] is None
    assert all(layer["energy_pj"]["low"] is None for layer in record["gates"]["layers"])
    assert "no bar on the lane array by gates: arrays were measured" in record["warnings"][-1]
    words = [w for w in bench.words("gates", ("--rows",)) if w != "--json"]
    shown = " ".join(CliRunner().invoke(app, words).stderr.split())
    assert "lane array decode by its gates, one image; no bar" in shown
    assert "J (no bar), " in shown


def test_operands_of_many_lanes_ask_for_memory_first(bench, monkeypatch):
    monkeypatch.setenv("ADQHW_MEMORY", "0.01")
    words = [*bench.words("gates", ()), "--rows", "256", "--cols", "256"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "Operands of layer 'mac0' on 256x256 lanes of decode must fit 0.01 GiB" in result.stderr


def test_lanes_that_are_too_narrow_are_called_the_characterized_ones(bench):
    text = (bench.folder / "gates.toml").read_text().replace("acc_width = 26", "acc_width = 4")
    (bench.folder / "narrow.toml").write_text(text)
    words = [w.replace("gates.toml", "narrow.toml") for w in bench.words("gates", ())]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert (
        "Characterized lanes must be wide enough for the program: Arch acc_width" in result.stderr
    )


@pytest.mark.parametrize("mode", ["program", "gates", "lanes"])
def test_a_technology_that_counts_prints_no_joules_and_no_areas(bench, mode):
    """What comes from gates has its own unit; everything else is a number of events or of bits."""
    words = bench.words(mode, ("--tech", "--bandwidth"))[:-1]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    by_events = done.stderr.split("lane array decode by its gates")[0]
    assert not re.search(rf"{JOULES}|mm²|energy per image", by_events), by_events
    assert "events per image, technology unit" in by_events
    priced = CliRunner().invoke(app, bench.words(mode, ("--bandwidth",))[:-1]).stderr
    assert re.search(JOULES, priced)
    assert re.search(r"\d\) mm²", priced)
