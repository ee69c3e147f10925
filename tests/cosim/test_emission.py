"""An emitted accelerator: same bytes, own testbench in both simulators, lint, refusals."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from programs import Builder, every_kind, random_images
from simulators import usable

from adqhw.cosim.emission import CONTROL, MEMORY, emit_accelerator, verilator_control
from adqhw.cosim.emitted import read_emitted
from adqhw.cosim.icarus import with_first_event
from adqhw.cosim.network_cosim import cosimulate_network
from adqhw.rtl.arch import Arch, Micro
from adqhw.rtl.storage import Storage
from adqhw.rtl.verilog import AXI_MODULE, MANIFEST, TOP_MODULE, axi_texts, verilog_texts
from adqhw.spec import InputError, LayerKind
from adqhw.spec.program_file import save

IMAGES = 2


def small_net():
    """Pixels, thresholds, max pooling, logits: few cycles, for Icarus."""
    b = Builder(np.random.default_rng(3), (3, 4, 4))
    b.mac(4, stage="requant", weight_width=6, uniform=True, padding=1)
    b.read(3)
    b.mac(5, weight_width=3, act_width=3)
    b.pool(LayerKind.MAX_POOL, 2, 1)
    b.mac(3, 1, stage="requant", weight_width=8, uniform=True, linear=True, out="s32")
    return b.build()


def emitted(folder, make=small_net, micro=Micro.DECODE, rows=2, cols=3):
    program = make()
    arch = Arch.for_program(program, rows=rows, cols=cols, micro=micro)
    images = random_images(program, IMAGES)
    return program, arch, emit_accelerator(arch, program, images, folder, "random")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """One emitted accelerator, to be copied before it is changed or run."""
    made = tmp_path_factory.mktemp("emitted") / "verilog"
    emitted(made)
    return made


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_process_writes_the_same_bytes(folder, tmp_path):
    """Neither the hash seed nor the working folder may show in the files."""
    program = small_net()
    save(program, tmp_path / "program.safetensors")
    np.save(tmp_path / "images.npy", random_images(program, IMAGES))
    script = (
        "import numpy as np; from adqhw.rtl.arch import Arch\n"
        "from adqhw.cosim.emission import emit_accelerator\n"
        "from adqhw.spec.program_file import load\n"
        "program = load('program.safetensors')\n"
        "arch = Arch.for_program(program, rows=2, cols=3)\n"
        "emit_accelerator(arch, program, np.load('images.npy'), 'out', 'random')\n"
    )
    environment = {"PYTHONHASHSEED": "77", "PATH": "", "HOME": os.environ.get("HOME", "/")}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)
    assert contents(tmp_path / "out") == contents(folder)


def test_the_manifest_describes_the_folder(folder):
    program = small_net()
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["program_digest"] == program.digest
    assert set(manifest["files"]) | {MANIFEST} == {path.name for path in folder.iterdir()}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    layers = [entry["layer"] for entry in manifest["descriptors"]]
    assert list(dict.fromkeys(layers)) == ["input", *(layer.name for layer in program.layers)]
    loaded = sum(memory["rows"] for memory in manifest["memories"])
    assert loaded == len((folder / MEMORY).read_text().split())
    for module, described in manifest["modules"].items():
        text = (folder / f"{module}.v").read_text()
        header = text[text.index(f"module {module}(") :].split(";")[0].split("(")[1].strip(")")
        listed = {port["name"] for port in described["ports"]}
        assert listed == {name.strip() for name in header.split(",")}


def run_testbench(folder, simulator, target):
    """Its own make, with nothing of this process but the simulator."""
    with simulator.active():
        return subprocess.run(
            ["make", "-C", folder, target], capture_output=True, text=True, check=False
        )


TARGETS = [("icarus", "icarus"), ("verilator", "verilator")]


@pytest.mark.simulator
@pytest.mark.parametrize(("name", "target"), TARGETS)
def test_the_testbench_runs_alone_and_passes(name, target, copied):
    done = run_testbench(copied, usable(name), target)
    assert done.returncode == 0, done.stdout + done.stderr
    program = small_net()
    tensors = [program.input_shape, *(program.tensor_shape(x.name) for x in program.layers)]
    codes = IMAGES * sum(int(np.prod(shape)) for shape in tensors)
    assert f"PASS: {IMAGES} images, {codes} codes checked" in done.stdout
    cycles = sum(json.loads((copied / MANIFEST).read_text())["cycles"].values())
    assert [line for line in done.stdout.splitlines() if line.endswith(" cycles")] == [
        f"image {image}: {cycles} cycles" for image in range(IMAGES)
    ]


def test_its_make_gives_icarus_what_cosim_gives_it(copied):
    """Processes that depend on initial values only would stay X (`cosim/icarus.py`)."""
    names = ("adqhw_column.v", "adqhw_accelerator.v")
    done = subprocess.run(
        ["make", "-C", copied, "icarus_rtl.v"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    texts = {name: (copied / name).read_text() for name in names}
    wanted = "".join(with_first_event(texts).values())
    assert (copied / "icarus_rtl.v").read_text() == wanted != "".join(texts.values())


@pytest.mark.simulator
@pytest.mark.parametrize("file", ["memory.hex", "expected.hex", "results.hex", "cycles.hex"])
def test_the_testbench_finds_one_wrong_digit(file, copied):
    """In the last line of a file: the last weights loaded, the last code, result or cycle."""
    path = copied / file
    lines = path.read_text().split()
    position = -1 if file != "expected.hex" else len(lines) // 2
    digit = lines[position][-1]
    lines[position] = lines[position][:-1] + f"{int(digit, 16) ^ 1:x}"
    path.write_text("\n".join(lines) + "\n")
    done = run_testbench(copied, usable("icarus"), "icarus")
    assert done.returncode != 0
    assert "FAIL: " in done.stdout


@pytest.mark.simulator
def test_cosim_runs_an_emitted_folder(folder, tmp_path):
    program = small_net()
    found = read_emitted(folder, program)
    images = random_images(program, 1)
    usable("icarus")
    report = cosimulate_network(
        program, images, found.arch, "icarus", build_dir=tmp_path, emitted=found
    )
    assert report.passed


def test_a_folder_of_another_program_is_refused(folder):
    with pytest.raises(InputError, match=r"must be of program .*, not of .* run adqhw verilog"):
        read_emitted(folder, every_kind())


def test_a_changed_file_is_refused(copied):
    program = small_net()
    read_emitted(copied, program)
    path = copied / "adqhw_column.v"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match="must be as its manifest says, not changed since"):
        read_emitted(copied, program)
    (copied / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match="Manifest version must be 2, not None"):
        read_emitted(copied, program)
    (copied / MANIFEST).unlink()
    with pytest.raises(InputError, match="must have a readable manifest"):
        read_emitted(copied, program)


def lint(folder, top, simulator):
    files = [folder / CONTROL, *sorted(folder.glob("*.v"))]
    command = [simulator.executable, "--lint-only", "-Wall", "--top-module", top, *files]
    with simulator.active():
        return subprocess.run(command, capture_output=True, text=True, check=False)


def write_texts(folder, texts):
    folder.mkdir()
    for name, text in {**texts, CONTROL: verilator_control()}.items():
        (folder / name).write_text(text)


@pytest.mark.simulator
@pytest.mark.parametrize("micro", list(Micro))
def test_emitted_verilog_has_no_warning_that_is_not_waived(micro, tmp_path):
    """The accelerator behind its AXI ports with the least memories, and the lane array alone."""
    simulator = usable("verilator")
    least = {entry.name: 1 for entry in dataclasses.fields(Storage)}
    arch = Arch(rows=2, cols=3, micro=micro, storage=Storage(**least))
    write_texts(tmp_path / "network", axi_texts(arch))
    write_texts(tmp_path / "array", verilog_texts(arch))
    for folder, top in (("network", AXI_MODULE), ("array", TOP_MODULE)):
        done = lint(tmp_path / folder, top, simulator)
        assert "%" not in done.stderr, done.stderr
        assert done.returncode == 0


FAULTS = {
    "LATCH": "\nreg held; always @* if (start) held = busy;\n",
    "UNDRIVEN": "\nwire nobody; wire someone = nobody;\n",
    "BLKSEQ": "\nreg mixed; always @(posedge clk) mixed = busy;\n",
    "PINMISSING": "\nadqhw_column spare (.clk(clk));\n",
}


@pytest.mark.simulator
@pytest.mark.parametrize("fault", FAULTS)
def test_the_waivers_hide_no_fault(fault, copied):
    path = copied / "adqhw_accelerator.v"
    head, ports, body = path.read_text().partition("module adqhw_accelerator(")
    header, end, rest = body.partition(");")
    path.write_text(head + ports + header + end + FAULTS[fault] + rest)
    for name in ("adqhw_testbench.v", "adqhw_clock.v"):
        (copied / name).unlink()
    done = lint(copied, AXI_MODULE, usable("verilator"))
    assert done.returncode != 0
    assert f"-{fault}" in done.stderr


@pytest.mark.simulator
def test_fusesoc_runs_the_testbench(copied):
    usable("icarus")
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", "--target", "sim"]
    done = subprocess.run(
        [*command, "adqhw::accelerator"], cwd=copied, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS: " in done.stdout
