"""An emitted array that holds weights: its testbenches look at both write ports."""

import json
import re
import subprocess

import numpy as np
import pytest
from programs import random_images
from simulators import usable
from small_nets import small_net

from adqhw.cosim.emitted.emission import emit_accelerator
from adqhw.cosim.emitted.vectors import given
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.verilog import MANIFEST

pytestmark = pytest.mark.simulator
IMAGES = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The requantized map is chained and nobody reads it: it is given, not stored."""
    made = tmp_path_factory.mktemp("held") / "verilog"
    program = small_net()
    emit_accelerator(array(program), program, random_images(program, IMAGES), made, "random")
    return made


def array(program):
    return narrowest(program, rows=2, cols=4, hold=4, fill=2, out_lanes=2)


def run(folder, target, **variables):
    usable("icarus")
    options = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "-C", str(folder), target, *options], capture_output=True, text=True, check=False
    )


def test_every_code_is_checked(folder):
    """The folded image's too; the cycles are the model's."""
    program = small_net()
    plan = check_storage(array(program), program)
    assert plan.chains
    assert plan.placement.tensors.keys() < set(given(array(program), plan))
    shapes = [plan.program.tensor_shape(name) for name in given(array(program), plan)]
    shapes.append(plan.program.tensor_shape(plan.program.layers[-1].name))
    done = run(folder, "icarus")
    assert done.returncode == 0, done.stdout + done.stderr
    codes = IMAGES * sum(int(np.prod(shape)) for shape in shapes)
    assert f"PASS: {IMAGES} images, {codes} codes checked" in done.stdout
    total = sum(json.loads((folder / MANIFEST).read_text())["cycles"].values())
    assert f"image 1: {total} cycles" in done.stdout


def test_a_wrong_digit_of_any_tensor_is_found(folder):
    """In the first word of each of them: stored, chained, given only."""
    program = small_net()
    plan = check_storage(array(program), program)
    path, at = folder / "expected.hex", 0
    lines = path.read_text().split()
    try:
        for name in given(array(program), plan):
            wrong = lines[at][:-1] + f"{int(lines[at][-1], 16) ^ 1:x}"
            path.write_text("\n".join([*lines[:at], wrong, *lines[at + 1 :]]) + "\n")
            done = run(folder, "icarus")
            assert done.returncode != 0
            assert "FAIL: 1 differences" in done.stdout, name
            channels, height, width = plan.program.tensor_shape(name)
            at += -(-channels // 2) * height * width
    finally:
        path.write_text("\n".join(lines) + "\n")


def test_over_its_bus_with_any_stalls(folder):
    """The array goes on while a result waits: no more cycles than the model's and the stalls."""
    total = sum(json.loads((folder / MANIFEST).read_text())["cycles"].values())
    for arguments in ("", "+seed=7 +image_idle=200 +result_pause=220 +bus_idle=100"):
        done = run(folder, "icarus-axi", ARGS=arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        pattern = r"(\d+) cycles, (\d+) of them waiting for the image, (\d+) for results"
        found = [[int(x) for x in row] for row in re.findall(pattern, done.stdout)]
        assert len(found) == IMAGES
        assert all(total <= cycles <= total + idle + pause for cycles, idle, pause in found)
