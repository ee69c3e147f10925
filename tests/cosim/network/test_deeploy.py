"""Networks of Deeploy on the accelerator: every code of every layer is that of their golden files.

Signed activations, an addition of two branches, maps that are not square, classifiers of a map.
"""

import re
from pathlib import Path

import needs
import numpy as np
import pytest
from simulators import usable

from adqhw.cosim.network.network import Case, run_network
from adqhw.exchange.dialects import import_model
from adqhw.rtl.program.fit import covering
from adqhw.rtl.timing.network_cycles import network_cycles

pytestmark = [pytest.mark.simulator, pytest.mark.slow]

NETWORKS = ("KeywordSpotting", "AnomalyDetection", "miniMobileNetv2")
NOT_RECORDED = ("Reshape", "Flatten", "Add")
"""Nodes without golden codes; those of the others are in the order of the nodes."""


def golden_codes(folder: Path) -> dict[str, np.ndarray]:
    """By name of a tensor of the ONNX file, as layers are called: letters and digits of it."""
    import onnx

    nodes = onnx.load(folder / "network.onnx").graph.node
    recorded = [node.output[0] for node in nodes if node.op_type not in NOT_RECORDED]
    with np.load(folder / "activations.npz") as made:
        return dict(zip(map(plain, recorded), (made[name] for name in made), strict=True))


def plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name)


def test_every_code_of_every_layer_is_deeploys(tmp_path):
    simulator = usable("verilator")
    root = needs.models()
    cases = []
    for name in NETWORKS:
        folder = root / "deeploy" / name
        program = import_model(folder / "network.onnx", "deeploy").program
        with np.load(folder / "inputs.npz") as inputs:
            (image,) = (inputs[key] for key in inputs)
        cases.append(Case(program=program, images=image.reshape(1, *program.input_shape)))
    arch = covering([case.program for case in cases], rows=4, cols=8, micro="decode")
    runs = run_network(cases, arch, simulator, tmp_path).cases
    for name, case, (traces,) in zip(NETWORKS, cases, runs, strict=True):
        known = golden_codes(root / "deeploy" / name)
        for layer in case.program.layers:
            codes = traces[layer.name].codes
            want = known[plain(layer.name)].reshape(codes.shape)
            np.testing.assert_array_equal(codes, want, err_msg=f"{name} {layer.name}")
        for model in network_cycles(arch, case.program):
            assert traces[model.name].cycles == model.cycles, (name, model.name)
