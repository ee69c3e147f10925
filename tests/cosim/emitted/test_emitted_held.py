"""An emitted array that holds weights: both write ports, external memory, the driver in C."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from emitted_folders import check_pair, run_target
from external_archs import small_arch
from programs import random_images
from random_nets import random_net
from simulators import usable
from small_nets import small_net

from adqhw.cosim.emitted.emission import emit_accelerator
from adqhw.cosim.emitted.vectors import given
from adqhw.rtl.arch.external import External
from adqhw.rtl.arch.registry import names
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


def outside(folder, micro="decode", prefix="adqhw"):
    """Weights, parameters and the input in external memory, which has a tenth of them on chip."""
    program = random_net(32, shifts=micro == "shift_add")
    arch = small_arch([program], (4, 4, 4, 2, 2), External(burst_beats=8), micro)
    plan = check_storage(arch, program)
    assert plan.outside.streamed
    assert plan.outside.maps
    emit_accelerator(arch, program, random_images(program, IMAGES), folder, "random", prefix)
    return folder


def cycles_of(folder):
    return sum(json.loads((folder / MANIFEST).read_text())["cycles"].values())


def run(folder, target, simulator="icarus", **variables):
    usable(simulator)
    return run_target(folder, target, **variables)


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
    total = cycles_of(folder)
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
    total = cycles_of(folder)
    for arguments in ("", "+seed=7 +image_idle=200 +result_pause=220 +bus_idle=100"):
        done = run(folder, "icarus-axi", ARGS=arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        pattern = r"(\d+) cycles, (\d+) of them waiting for the image, (\d+) for results"
        found = [[int(x) for x in row] for row in re.findall(pattern, done.stdout)]
        assert len(found) == IMAGES
        assert all(total <= cycles <= total + idle + pause for cycles, idle, pause in found)


@pytest.fixture(scope="module")
def external(tmp_path_factory):
    return outside(tmp_path_factory.mktemp("external") / "verilog", prefix="acc_7")


def test_external_memory_stands_in_the_testbenches(external):
    """Every code and the cycle in which every layer ends, with the memory's times of the model;
    over the bus with a memory that stalls, or not."""
    done = run(external, "icarus")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout
    assert f"PASS: {IMAGES} images, " in done.stdout
    assert f"image 1: {cycles_of(external)} cycles" in done.stdout
    slowest = []
    for stall in (0, 200):
        done = run(external, "icarus-axi", ARGS=f"+memory_stall={stall} +image_idle=0")
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.findall(r"image . of .: (\d+) cycles", done.stdout)
        slowest.append(max(map(int, found)))
    assert cycles_of(external) <= slowest[0] < slowest[1]


@pytest.mark.parametrize("file", ["external.hex", "offsets.hex"])
def test_a_wrong_digit_of_what_only_external_memory_needs_is_found(file, external):
    """The first weights that are there, the place of a map's first lines."""
    path = external / file
    text = path.read_text()
    try:
        lines = text.split()
        at = next(number for number, line in enumerate(lines) if int(line, 16))
        lines[at] = lines[at][:-1] + f"{int(lines[at][-1], 16) ^ 1:x}"
        path.write_text("\n".join(lines) + "\n")
        done = run(external, "icarus")
        assert done.returncode != 0
        assert "FAIL: " in done.stdout
    finally:
        path.write_text(text)


def test_two_accelerators_are_parts_of_one_design(folder, external, tmp_path):
    """Other programs, other lanes, one simulator process: each testbench passes."""
    usable("icarus")
    check_pair((folder, "adqhw"), (external, "acc_7"), tmp_path)


HELD = [micro for micro in names() if micro != "binned"]


@pytest.mark.slow
@pytest.mark.parametrize("micro", HELD)
def test_every_micro_architecture_runs_from_its_folder(micro, tmp_path):
    """`make`, `make driver`, `make lint` and FuseSoC; the driver's script has runs back to back,
    images too short and too long, runs that are stopped, a fault of the memory."""
    folder = outside(tmp_path / "verilog", micro, prefix="soc_0")
    for target in ("lint", "verilator", "axi", "driver"):
        done = run(folder, target, "verilator")
        assert done.returncode == 0, done.stdout + done.stderr
        assert target == "lint" or "PASS: " in done.stdout
    fusesoc = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(folder), "run"]
    command = [*fusesoc, "--target", "sim_axi", "adqhw:soc_0:accelerator"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "PASS: " in ran.stdout
    runs = re.findall(r"^run (-?\d+) (\d+)", done.stdout, re.MULTILINE)
    assert [errors for status, errors in runs if status != "0"] == ["16", "32", "128"]
