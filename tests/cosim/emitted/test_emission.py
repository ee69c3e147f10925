"""An emitted accelerator: same bytes, own testbench in both simulators, lint, refusals."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from emitted_folders import check_pair, run_target
from programs import every_kind, random_images
from simulators import usable
from small_nets import small_net

from adqhw.cosim.compare.network_cosim import cosimulate_network
from adqhw.cosim.emitted.emission import CONTROL, MEMORY, emit_accelerator, verilator_control
from adqhw.cosim.emitted.emitted import read_emitted
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.arch.registry import names
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.verilog import AXI_MODULE, MANIFEST, TOP_MODULE, axi_texts, verilog_texts
from adqhw.spec import InputError
from adqhw.spec.program_file import save

IMAGES = 2
HELD = {"hold": 4, "fill": 2, "out_lanes": 2}


def emitted(folder, micro="decode", rows=2, cols=3, prefix="adqhw"):
    program = small_net(shifts=micro == "shift_add")
    arch = narrowest(program, rows=rows, cols=cols, micro=micro)
    emit_accelerator(arch, program, random_images(program, IMAGES), folder, "random", prefix)
    return folder


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
        "import numpy as np\n"
        "from adqhw.cosim.emitted.emission import emit_accelerator\n"
        "from adqhw.rtl.program.fit import narrowest\n"
        "from adqhw.spec.program_file import load\n"
        "program = load('program.safetensors')\n"
        "arch = narrowest(program, rows=2, cols=3)\n"
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


TARGETS = [
    ("icarus", "icarus"),
    ("verilator", "verilator"),
    pytest.param("verilator", "axi", marks=pytest.mark.slow),
]


def checks() -> int:
    """Codes and results that the accelerator's testbench compares."""
    program = small_net()
    tensors = [program.input_shape, *(program.tensor_shape(x.name) for x in program.layers)]
    return IMAGES * sum(int(np.prod(shape)) for shape in tensors)


@pytest.mark.simulator
@pytest.mark.parametrize(("name", "target"), TARGETS)
def test_the_testbench_runs_alone_and_passes(name, target, folder, tmp_path):
    """Just `make -C DIR TARGET`, in a folder of any name."""
    usable(name)
    odd = shutil.copytree(folder, tmp_path / "a b&c;d#e:f$g")
    done = run_target(odd, target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    if target == "axi":
        assert f"PASS: {IMAGES} images, " in done.stdout
        return
    assert f"PASS: {IMAGES} images, {checks()} codes checked" in done.stdout
    cycles = list(json.loads((odd / MANIFEST).read_text())["cycles"].values())
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.endswith(" cycles")] == [
        f"image {image}: {sum(cycles)} cycles" for image in range(IMAGES)
    ]
    ends = np.cumsum(cycles)
    assert [line for line in lines if "ends in" in line] == [
        f"image {image} of {IMAGES}: layer {number} of {len(ends)} ends in cycle {end}"
        for image in range(1, IMAGES + 1)
        for number, end in enumerate(ends, 1)
    ]


BUS = ["", "+seed=7 +image_idle=200 +result_pause=220 +bus_idle=100", "+image_idle=0 +bus_idle=0"]


@pytest.mark.simulator
def test_the_top_level_is_driven_over_its_bus_with_any_stalls(copied):
    usable("icarus")
    found = []
    for arguments in BUS:
        done = run_target(copied, "icarus-axi", ARGS=arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"PASS: {IMAGES} images, " in done.stdout
        pattern = r"(\d+) cycles, (\d+) of them waiting for the image, (\d+) for results"
        found.append([[int(x) for x in row] for row in re.findall(pattern, done.stdout)])
        assert len(found[-1]) == IMAGES
    total = sum(json.loads((copied / MANIFEST).read_text())["cycles"].values())
    assert all(cycles == total + idle + pause for run in found for cycles, idle, pause in run)
    assert sum(idle + pause for _, idle, pause in found[1]) > 0
    assert all(fast[1] < slow[1] for fast, slow in zip(found[2], found[1], strict=True))
    assert run_target(copied, "icarus-axi", ARGS="+image_idle=256").returncode != 0


@pytest.mark.simulator
@pytest.mark.parametrize("file", ["results.hex", "memory.hex", "response"])
def test_the_bus_testbench_finds_a_wrong_result_and_a_wrong_response(file, copied):
    usable("icarus")
    if file == "response":  # the host must see SLVERR where it asks for it
        path = copied / "adqhw_axi_testbench.v"
        text = path.read_text()
        assert text.count("access(1, DATA, noise, SLVERR)") == 1
        path.write_text(text.replace("noise, SLVERR)", "noise, OKAY)"))
    else:
        path = copied / file
        lines = path.read_text().split()
        lines[-1] = lines[-1][:-1] + f"{int(lines[-1][-1], 16) ^ 1:x}"
        path.write_text("\n".join(lines) + "\n")
    done = run_target(copied, "icarus-axi")
    assert done.returncode != 0
    assert "FAIL: " in done.stdout


@pytest.mark.slow
@pytest.mark.simulator
def test_two_accelerators_are_parts_of_one_design(folder, tmp_path):
    """Other lanes; arrays that hold weights: test_emitted_held.py."""
    other = emitted(tmp_path / "other", "uniform", rows=2, cols=4, prefix="second_0")
    usable("icarus")
    check_pair((folder, "adqhw"), (other, "second_0"), tmp_path)


@pytest.mark.simulator
def test_every_name_in_a_folder_begins_with_its_prefix(folder, tmp_path):
    other = emitted(tmp_path / "other", prefix="acc_7")
    names = {path.name for path in other.iterdir()}
    assert names == {path.name.replace("adqhw", "acc_7") for path in folder.iterdir()}
    for path in other.iterdir():
        text = path.read_text()
        assert not re.search("@[A-Z_]+@", text), path.name
        left = {"acc_7.core", "manifest.json", "verilator.sh", "acc_7_testbench.v"}
        assert path.name in left or "adqhw" not in text, path.name
    program = small_net()
    found, plain = read_emitted(other, program), read_emitted(folder, program)
    assert found.texts == plain.texts  # hence the same build


@pytest.mark.simulator
@pytest.mark.parametrize("file", ["memory.hex", "expected.hex", "results.hex", "cycles.hex"])
def test_the_testbench_finds_one_wrong_digit(file, copied):
    """In the last line of a file: the last weights loaded, the last code, result or cycle."""
    usable("icarus")
    path = copied / file
    lines = path.read_text().split()
    position = -1 if file != "expected.hex" else len(lines) // 2
    digit = lines[position][-1]
    lines[position] = lines[position][:-1] + f"{int(digit, 16) ^ 1:x}"
    path.write_text("\n".join(lines) + "\n")
    done = run_target(copied, "icarus")
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
    with pytest.raises(InputError, match="Manifest version must be 3, not None"):
        read_emitted(copied, program)
    (copied / MANIFEST).unlink()
    with pytest.raises(InputError, match="Manifest of an emitted accelerator must be a file"):
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
@pytest.mark.parametrize("micro", names())
def test_an_emitted_lane_array_has_no_warning_that_is_not_waived(micro, tmp_path):
    arch = Arch(rows=2, cols=3, micro=micro)
    check_lint(tmp_path / "array", verilog_texts(arch), TOP_MODULE)


TOPS = [
    pytest.param(
        micro, size, marks=[] if micro == "decode" and size != HELD else [pytest.mark.slow]
    )
    for size in ({}, HELD, HELD | {"external": External(jobs=1)})
    for micro in names()
    if not size or micro != "binned"
]


@pytest.mark.simulator
@pytest.mark.parametrize(("micro", "size"), TOPS)
def test_an_emitted_accelerator_has_no_warning_that_is_not_waived(micro, size, tmp_path):
    """Behind its AXI ports, with the least memories."""
    least = Storage(**{entry.name: 1 for entry in dataclasses.fields(Storage)})
    arch = Arch(rows=2, cols=4, micro=micro, storage=least, **size)
    check_lint(tmp_path / "network", axi_texts(arch), AXI_MODULE)


def check_lint(folder, texts, top):
    write_texts(folder, texts)
    done = lint(folder, top, usable("verilator"))
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
    for name in ("adqhw_testbench.v", "adqhw_axi_testbench.v", "adqhw_clock.v"):
        (copied / name).unlink()
    done = lint(copied, AXI_MODULE, usable("verilator"))
    assert done.returncode != 0
    assert f"-{fault}" in done.stderr


def changed_manifest(folder, name, text):
    """A file with another text, and the manifest that vouches for it."""
    (folder / name).write_text(text)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = hashlib.sha256(text.encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "order",
    ['initial $system("touch /tmp/x");', "`include `\"/etc/passwd`\"", 'import "DPI-C" f;',
     "/* */ initial $fopen", "wire \\a ; initial $finish;"],
)  # fmt: skip
def test_verilog_that_gives_orders_is_refused_whatever_its_manifest_says(order, copied):
    text = (copied / "adqhw_column.v").read_text()
    changed_manifest(copied, "adqhw_column.v", text + order + "\n")
    with pytest.raises(InputError, match="must only describe hardware, not use"):
        read_emitted(copied, small_net())


@pytest.mark.parametrize("row", ["zz", "-1", "0x12", "f" * 999])
def test_a_memory_row_that_is_none_is_refused(row, copied):
    changed_manifest(copied, MEMORY, (copied / MEMORY).read_text() + row + "\n")
    with pytest.raises(InputError, match=r"memory.hex must hold rows of at most \d+ hex digits"):
        read_emitted(copied, small_net())


def test_a_manifest_with_a_prefix_that_is_none_is_refused(copied):
    manifest = json.loads((copied / MANIFEST).read_text())
    (copied / MANIFEST).write_text(json.dumps(manifest | {"prefix": "../x"}))
    with pytest.raises(InputError, match="Prefix must be"):
        read_emitted(copied, small_net())


FUSESOC = [
    pytest.param(micro, target, marks=[] if (micro, target) == quick else [pytest.mark.slow])
    for quick in [("decode", "sim")]
    for micro in names()
    for target in ("sim", "sim_axi")
]


@pytest.mark.simulator
@pytest.mark.parametrize(("micro", "target"), FUSESOC)
def test_fusesoc_runs_the_testbench(micro, target, folder, tmp_path):
    """The emitted files themselves are right in Icarus: nothing else changes them."""
    usable("icarus")
    made = tmp_path / "verilog"
    if micro == "decode":
        shutil.copytree(folder, made)
    else:
        emitted(made, micro)
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", "--target", target]
    done = subprocess.run(
        [*command, "adqhw::accelerator"], cwd=made, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS: " in done.stdout
