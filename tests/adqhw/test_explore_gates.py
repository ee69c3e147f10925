"""`adqhw explore --gates`: figures of every trained program are those of `estimate --gates`."""

import json

import numpy as np
from explorer_pages import data_of, net, saved
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.gates.array.structure import STRUCTURE
from adqhw.gates.model import characterization_file
from adqhw.gates.model.fit import Fit
from adqhw.gates.model.parts import WIDTHS, Part, terms_of
from adqhw.rtl.program.fit import narrowest


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def test_gates_are_those_of_estimate(tmp_path, monkeypatch):
    program, images, gates = saved(tmp_path)[0], tmp_path / "i.npy", tmp_path / "g.toml"
    np.save(images, np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8))
    gates.write_text("# made up by the test")
    arch = narrowest(net(4, 4), rows=4, cols=4)
    fit = Fit(
        library="made up",
        part=Part.ARRAY,
        name="decode",
        widths={name: getattr(arch, name) for name in WIDTHS[Part.ARRAY]},
        energy_fj=dict.fromkeys(terms_of(Part.ARRAY, "decode"), 1.5),
        area_um2=dict.fromkeys(STRUCTURE, 10.0),
        error_percent=5.0,
        sizes=((4, 4), (8, 8)),
        critical_path_ns=2.5,
    )
    monkeypatch.setattr(characterization_file, "load", lambda path: {"decode": fit})
    out, operands = tmp_path / "page.html", ["--gates", str(gates), "--input", str(images)]
    few = ["--micro", "decode,uniform", "--rows-cols", "4x4", "--hold", "1", "--fill", "1"]
    few += ["--out-lanes", "1", "--weight-bits", "4", "--act-bits", "4"]
    found = run("explore", tmp_path, "-o", out, *few, *operands)
    assert found.exit_code == 0, found.output
    assert "not by gates: made up: Micro must be characterized" in " ".join(found.output.split())
    data = data_of(out.read_text(encoding="utf-8"))
    records, names = data["gates"], [program["name"] for program in data["programs"]]
    assert {record["micro"] for record in records} == {"decode"}
    assert len(records) == len(saved(tmp_path))
    told = run("estimate", program, "--rows", 4, "--cols", 4, *operands, "--json")
    (record,) = (r for r in records if names[r["program"]] == program.stem)
    wanted = json.loads(told.stdout)
    assert record["gates"] == wanted["gates"]
    assert record["paths"] == [{"name": "gates of decode", "ns": 2.5}]
    refused = run("explore", tmp_path, "-o", out, "--input", images)
    assert refused.exit_code == 2
    assert "--data and --input must go with --gates" in " ".join(refused.stderr.split())
