"""JSON and .npz of emitted folders, reproducers and cost tables, mutated: read, or one line."""

import json
import zipfile

import numpy as np
import pytest
from cost_nets import small_net
from programs import random_images
from table_mutants import Trees

from adqhw.adq.allocation.report import read_costs
from adqhw.adq.recipes.quant_config import AllocationConfig
from adqhw.cosim.compare import rerun
from adqhw.cosim.compare.reproducer import Failure, write_network_reproducer, write_reproducer
from adqhw.cosim.emitted.emission import emit_accelerator
from adqhw.cosim.emitted.emitted import read_emitted
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.verilog import MANIFEST
from adqhw.spec import InputError, golden
from adqhw.spec.host.npy import read_npz
from adqhw.spec.host.reading import MAX_JSON_BYTES, read_json
from adqhw.spec.program import INPUT

PROGRAM = small_net()
ARCH = narrowest(PROGRAM, rows=2, cols=2)
IMAGES = random_images(PROGRAM, 1)
COUNT = 40
REACHED = "the build was reached"


def good_line(error: InputError) -> bool:
    """Whether everything was taken; a refusal is one printable line."""
    text = str(error)
    assert text.isprintable(), text
    assert len(text) < 1000
    return text == REACHED


def mutants(good: dict, seed: int) -> list[str]:
    trees, found = Trees(good, seed), []
    for _ in range(COUNT):
        tree = trees.mutant()
        try:
            found.append(json.dumps(tree))
        except ValueError:  # an integer of too many digits to write
            found.append(json.dumps({**good, "x": "digits"}).replace('"digits"', "1" * 5000))
    deep = json.dumps(good)[:-1] + ', "deep": ' + "[" * 100_000 + "]" * 100_000 + "}"
    return [*found, deep, "", "[]", "null", "{", "\ud800".encode("utf-8", "replace").decode()]


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emitted")
    emit_accelerator(ARCH, PROGRAM, IMAGES, folder, "test")
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Reproducers of a layer and of a network."""
    folder = tmp_path_factory.mktemp("failures")
    tensors = {INPUT: IMAGES, **golden.run(PROGRAM, IMAGES, keep="all").tensors}
    name = PROGRAM.layers[0].name
    failure = Failure(
        layer=name, image=0, index=(0, 0, 0), expected=0, actual=1, cycle=1, simulator="verilator"
    )
    layer = write_reproducer(folder, failure, PROGRAM, ARCH, tensors, tensors[name][0])
    return layer.folder, write_network_reproducer(folder, failure, PROGRAM, ARCH, IMAGES).folder


@pytest.fixture
def unbuilt(monkeypatch):
    """Reruns end where the simulator would be compiled."""

    def build(*arguments, **options):
        raise InputError(REACHED)

    monkeypatch.setattr(rerun, "build", build)
    monkeypatch.setattr(rerun, "cosimulate_network", build)


def both_happen(outcomes: list[bool]) -> None:
    assert 0 < sum(outcomes) < len(outcomes)


def test_manifests_of_emitted_folders(emitted):
    path = emitted / MANIFEST
    text = path.read_text()
    outcomes = []
    for mutant in mutants(json.loads(text), 1):
        path.write_text(mutant)
        try:
            assert read_emitted(emitted, PROGRAM).rows
            outcomes.append(True)
        except InputError as error:
            outcomes.append(good_line(error))
    path.write_text(text)
    both_happen(outcomes)


@pytest.mark.parametrize("prefix", ["../x", "/etc/x", "a/b", "..", "", "a\0", "x" * 5000])
def test_no_name_of_a_manifest_leaves_its_folder(emitted, prefix):
    path = emitted / MANIFEST
    text = path.read_text()
    path.write_text(json.dumps(json.loads(text) | {"prefix": prefix}))
    with pytest.raises(InputError, match="Prefix must be") as caught:
        read_emitted(emitted, PROGRAM)
    path.write_text(text)
    good_line(caught.value)


@pytest.mark.parametrize(
    ("kind", "file"),
    [(0, "case.json"), (0, f"verilog/{MANIFEST}"), (1, "case.json"), (1, "arch.json")],
)
def test_reproducers(cases, unbuilt, kind, file):
    folder, outcomes = cases[kind], []
    path = rerun.Path(folder) / file
    text = path.read_text()
    for mutant in mutants(json.loads(text), 2):
        path.write_text(mutant)
        with pytest.raises(InputError) as caught:
            rerun.rerun(folder)
        outcomes.append(good_line(caught.value))
    path.write_text(text)
    both_happen(outcomes)


@pytest.mark.parametrize("kind", [0, 1])
def test_arrays_of_reproducers(cases, unbuilt, kind):
    path = rerun.Path(cases[kind]) / "case.npz"
    content, source = path.read_bytes(), np.random.default_rng(3)
    outcomes = []
    for number in range(COUNT):
        spoiled = bytearray(content)
        for place in source.integers(0, len(content), number % 4):
            spoiled[place] ^= 1 << source.integers(8)
        path.write_bytes(spoiled[: source.integers(len(content)) if number % 5 == 4 else None])
        with pytest.raises(InputError) as caught:
            rerun.rerun(cases[kind])
        outcomes.append(good_line(caught.value))
    path.write_bytes(content)
    both_happen(outcomes)


def test_an_archive_that_unpacks_to_more_than_the_budget_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(2 << 20))
    assert path.stat().st_size < 10_000
    monkeypatch.setenv("ADQHW_MEMORY", "0.001")
    with pytest.raises(InputError, match="unpacked, must fit"):
        read_npz(path)


def test_cost_tables(tmp_path):
    path = tmp_path / "costs.json"
    good = {"unit": "pJ", "costs": {"a": {"2": 1.5, "3": 2}, "b": {"2": 1.0, "3": 2.0}}}
    path.write_text(json.dumps(good))
    config = AllocationConfig(cost_table=str(path), cost_budget=1.0)
    assert read_costs(config)[0]["a"] == {2: 1.5, 3: 2.0}
    outcomes = []
    for mutant in mutants(good, 4):
        path.write_text(mutant)
        try:
            assert json.dumps(read_costs(config), allow_nan=False)
            outcomes.append(True)
        except InputError as error:
            outcomes.append(good_line(error))
    both_happen(outcomes)


def test_json_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b" " * MAX_JSON_BYTES + b"{}")
    with pytest.raises(InputError, match="File must have at most 8,388,608 bytes"):
        read_json(path, "File")
