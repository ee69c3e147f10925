"""Files of arrays, technologies, energy tables, characterizations and topologies, mutated.

Whatever a mutant is, the reader answers with a value or with an `InputError` of one line, at once;
what it takes can be costed and printed as JSON.
"""

import dataclasses
import json
import math
import tomllib
from importlib import resources
from pathlib import Path

import pytest
import yaml as reference
from cost_nets import small_net
from table_mutants import Trees, lines, toml, yaml

from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.estimate.records import activity_of, activity_record, estimate_of, estimate_record
from adqhw.cost.technology import technology
from adqhw.cost.technology.accelergy import load_ert
from adqhw.cost.topologies.assumed import Assumptions, assumed_network
from adqhw.cost.topologies.systolic import Dataflow, topology_systolic
from adqhw.cost.topologies.topology import load_topology
from adqhw.gates.array.structure import STRUCTURE
from adqhw.gates.model import characterization_file
from adqhw.gates.model.library import read_all
from adqhw.gates.model.parts import WIDTHS, Part, terms_of, widths_of
from adqhw.gates.output_stage.terms import UNIT_TERMS
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.program.fit import narrowest, narrowest_lanes
from adqhw.sim.activity import LayerActivity
from adqhw.spec import InputError
from adqhw.studies.gates import model_errors

PROGRAM = small_net()
ARCH = narrowest(PROGRAM, rows=8, cols=4)
LITERATURE = technology.load("literature45")
TECH = (resources.files("adqhw.cost.technology") / "tech" / "literature45.toml").read_text()
ERT = {
    "ERT": {
        "version": "0.4",
        "tables": [
            {"name": "top.mac[1..256]", "actions": [
                {"name": "compute", "arguments": {}, "energy": 0.32},
                {"name": "leak", "arguments": {"global_cycles": 1}, "energy": 0.0},
            ]},
            {"name": "top.glb", "actions": [
                {"name": "read", "arguments": {"data_delta": 0}, "energy": 4},
                {"name": "read", "arguments": {"data_delta": 1}, "energy": 8},
            ]},
        ],
    }
}  # fmt: skip
USE = {"table": "top.glb", "action": "read", "arguments": {"data_delta": 1}, "divide": 64,
       "low": 0.5, "high": 2}  # fmt: skip
TOPOLOGY = """\
Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, \
Stride Width, Batch Size, Sparsity, Remarks,
Conv1, 12, 11, 3, 3, 3, 8, 2, 2, 1, 1:1, first,
DP2, 6, 6, 3, 3, 8, 1, 1, 1, , , ,
FC, 1, 24, 1, 24, 1, 10, 1, 1, 1, 1:1, #dw,
"""
PRODUCTS = "Layer,M,N,K,\nqkv,12,36,12,\nhead,1,10,12,\n"
COUNT = 100
"""Mutants of each kind of file."""


def good_line(error: InputError) -> str:
    """The message, which must be short, printable and of one line."""
    text = str(error)
    assert text
    assert text.isprintable(), text
    assert len(text) < 1000
    return text


def plain(record: object) -> str:
    """JSON, in which neither NaN nor infinity has a place."""
    return json.dumps(record, allow_nan=False, default=str)


def flat_record(fits: object) -> object:
    return [(f.widths, f.error_percent, f.sizes) for f in fits.values()]


def test_arrays(tmp_path):
    path, trees = tmp_path / "a.toml", Trees(ARCH.to_dict(), 1)
    path.write_text(toml(trees.good))
    assert Arch.from_toml(path) == ARCH
    taken = 0
    for _ in range(4 * COUNT):
        path.write_text(toml(trees.mutant()), encoding="utf-8")
        try:
            arch = Arch.from_toml(path)
        except InputError as error:
            good_line(error)
            continue
        taken += 1
        assert plain(arch.to_dict())
        try:
            estimate(PROGRAM, arch, LITERATURE)
        except InputError as error:
            good_line(error)
    assert 0 < taken < 4 * COUNT  # both happen


def test_technologies(tmp_path):
    path, trees = tmp_path / "t.toml", Trees(tomllib.loads(TECH), 2)
    path.write_text(toml(trees.good))
    assert technology.load(path) == LITERATURE
    taken = 0
    for _ in range(COUNT):
        path.write_text(toml(trees.mutant()), encoding="utf-8")
        try:
            table = technology.load(path)
        except InputError as error:
            good_line(error)
            continue
        taken += 1
        assert plain(estimate(PROGRAM, ARCH, table).to_dict())
    assert 0 < taken < COUNT


def test_values_at_the_edges_of_a_technology_stay_finite():
    """Every entry at the least, then at the largest allowed value."""
    for value in ("1e-30", "1e30"):
        data = tomllib.loads(TECH)
        for entry in data["entry"].values():
            entry["value"] = dict.fromkeys(("low", "expected", "high"), float(value))
        table = technology.parse(toml(data), "edge")
        result = estimate(PROGRAM, ARCH, table)
        assert plain(result.to_dict())
        assert 0 < result.energy.total.expected < math.inf


def test_energy_reference_tables(tmp_path):
    path, trees, uses = tmp_path / "e.yaml", Trees(ERT, 3), Trees(USE, 4)
    path.write_text(yaml(ERT))
    assert reference.safe_load(path.read_text()) == ERT
    assert load_ert(path, "pJ", "entry").band(USE, "entry") == (0.0625, 0.125, 0.25)
    taken = 0
    for number in range(4 * COUNT):
        path.write_text(yaml(trees.mutant()), encoding="utf-8")
        try:
            band = load_ert(path, "pJ", "entry").band(uses.mutant() if number % 2 else USE, "entry")
        except InputError as error:
            good_line(error)
            continue
        taken += 1
        assert all(math.isfinite(value) for value in band)
    assert 0 < taken < 4 * COUNT


def characterization() -> dict:
    arch = ARCH.to_dict()
    micro = {
        **{name: arch[name] for name in WIDTHS[Part.ARRAY]},
        "test_real_worst_percent": -4.5,
        "energy_fj": dict.fromkeys(terms_of(Part.ARRAY, "decode"), 1.0),
        "area_um2": dict.fromkeys(STRUCTURE, 2.0),
    }
    head = {"liberty": "lib", "fit_sizes": [[4, 4], [8, 8]], "test_size": [16, 16]}
    return {"characterization": head, "micro": {"decode": micro}}


def test_characterizations(tmp_path):
    path, trees = tmp_path / "g.toml", Trees(characterization(), 5)
    path.write_text(toml(trees.good))
    (fit,) = characterization_file.load(path).values()
    assert (fit.error_percent, fit.sizes) == (4.5, ((4, 4), (8, 8), (16, 16)))
    taken = 0
    for _ in range(4 * COUNT):
        path.write_text(toml(trees.mutant()), encoding="utf-8")
        try:
            fits = characterization_file.load(path)
        except InputError as error:
            good_line(error)
            continue
        taken += 1
        assert plain(flat_record(fits))
    assert 0 < taken < 4 * COUNT


def output_stage() -> dict:
    widths = widths_of(ARCH, WIDTHS[Part.UNIT])
    unit = {**widths, "unit_area_um2": 7.0, "test_worst_percent": 3.5}
    units = {
        name: {**unit, "energy_fj": dict.fromkeys(terms, 1.0)} for name, terms in UNIT_TERMS.items()
    }
    return {"characterization": {"liberty": "lib"}, "unit": units}


def test_output_stages(tmp_path):
    path, trees = tmp_path / "o.toml", Trees(output_stage(), 6)
    path.write_text(toml(trees.good))
    assert {fit.error_percent for fit in characterization_file.load(path).values()} == {3.5}
    taken = 0
    for number in range(4 * COUNT):
        path.write_text(toml(trees.mutant()), encoding="utf-8")
        read = characterization_file.load if number % 2 else lambda file: read_all([file])
        try:
            fits = read(path)
        except InputError as error:
            good_line(error)
            continue
        taken += 1
        assert plain([(f.widths, f.energy_fj, f.area_um2) for f in fits.values()])
    assert 0 < taken < 4 * COUNT


def test_errors_of_characterizations(tmp_path):
    """The readers of `adqhw bench model`: every field that `characterize` writes, real files."""
    source = resources.files("adqhw.gates") / "tech"
    for name, kind in (("nangate45_typ", "micro"), ("nangate45_typ_output", "unit")):
        good = tomllib.loads((source / f"{name}.toml").read_text())
        entry = next(iter(good[kind].values()))
        entry["test"] = entry["test"][:3]
        small = {"characterization": good["characterization"], kind: {"decode": entry}}
        path, trees = tmp_path / f"{name}.toml", Trees(small, 7)
        path.write_text(toml(small))
        assert len(model_errors.subjects(path)) == 1
        taken = 0
        for _ in range(2 * COUNT):
            path.write_text(toml(trees.mutant()), encoding="utf-8")
            try:
                text = model_errors.page(model_errors.subjects(path), "test")
            except InputError as error:
                good_line(error)
                continue
            taken += 1
            assert "nan" not in text
        assert 0 < taken < 2 * COUNT


def test_records_of_estimates():
    result = estimate(PROGRAM, ARCH, LITERATURE)
    trees = Trees(json.loads(json.dumps(estimate_record(result))), 8)
    assert estimate_of(trees.good, LITERATURE) == result
    taken = 0
    for _ in range(4 * COUNT):
        try:
            found = estimate_of(trees.mutant(), LITERATURE)
        except InputError as error:
            good_line(error)
            continue
        taken += 1
        assert plain(found.to_dict())
    assert 0 < taken < 4 * COUNT


def test_records_of_activities():
    layer = LayerActivity(
        **{f.name: number for number, f in enumerate(dataclasses.fields(LayerActivity))}
        | {"name": "a", "macs_by_code": (1, 2, 3)}
    )
    trees = Trees(json.loads(json.dumps(activity_record({"a": layer}))), 9)
    assert activity_of(trees.good) == {"a": layer}
    taken = 0
    for _ in range(COUNT):
        try:
            found = activity_of(trees.mutant())
        except InputError as error:
            good_line(error)
            continue
        taken += 1
        assert plain(activity_record(found))
    assert 0 < taken < COUNT


@pytest.mark.parametrize("text", [TOPOLOGY, PRODUCTS], ids=["convolutions", "products"])
def test_topologies(tmp_path, text):
    path = tmp_path / "net.csv"
    path.write_text(text)
    assert len(load_topology(path).layers) >= 2
    taken = 0
    for seed in range(4 * COUNT):
        path.write_bytes(lines(text, seed).encode())
        taken += costed(path)
    assert 0 < taken < 4 * COUNT


def costed(path: Path) -> bool:
    """Whether a topology is taken; what is taken is counted on both arrays."""
    try:
        topology = load_topology(path)
    except InputError as error:
        good_line(error)
        return False
    for dataflow in Dataflow:
        found = topology_systolic(topology, 16, 16, dataflow)
        assert plain([(x.cycles, x.folds, x.utilization) for x in found])
    try:
        program = assumed_network(topology, Assumptions())
        assert plain(
            estimate(program, narrowest_lanes(program, rows=16, cols=16), LITERATURE).to_dict()
        )
    except InputError as error:
        good_line(error)
    return True
