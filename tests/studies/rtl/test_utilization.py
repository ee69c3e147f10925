"""The page of utilization: every figure is the cycle model's."""

import json

from places import ROOT
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.spec.program_file import load

ZOO = ROOT / "zoo" / "cifar10_resnet20_w4a4.safetensors"


def test_the_page_has_the_models_cycles(tmp_path):
    page = tmp_path / "page.md"
    result = CliRunner().invoke(app, ["bench", "utilization", str(ZOO), "-o", str(page), "--json"])
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert list(made) == [ZOO.stem, "resnet20-cifar", "resnet18", "resnet50", "mobilenet-v2"]
    text, program = page.read_text(), load(ZOO)
    for use in made[ZOO.stem]:
        arch = Arch.from_dict(use["arch"])
        cycles = [model.cycles for model in network_cycles(arch, program)]
        assert [layer["cycles"] for layer in use["layers"]] == cycles
        name = f"{ZOO.stem}, {arch.rows} x {arch.cols}, {arch.out_lanes} output lanes"
        assert f"| {name} | {sum(cycles):,} | " in text
    assert made[ZOO.stem][0]["total"]["utilization"] > 0.9
    assert f"## {ZOO.stem}, 16 x 16, 4 output lanes" in text
