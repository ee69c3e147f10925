"""Emitted Verilog: deterministic, complete, described by its manifest."""

import hashlib
import json
import subprocess
import sys

import pytest
from programs import every_kind

from adqhw.rtl.accelerator.ports import ACCELERATOR_MODULE
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.lane_array import COLUMN_MODULE
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.rtlil.memories import MEMORIES
from adqhw.rtl.timing.held_timing import held_array_latency
from adqhw.rtl.timing.timing import latencies
from adqhw.rtl.verilog import MANIFEST, TOP_MODULE, emit_verilog, verilog_texts
from adqhw.spec import InputError

ARCH = Arch(rows=2, cols=3)
HELD = Arch(rows=2, cols=4, hold=4, fill=2, out_lanes=2)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("arch", [ARCH, HELD], ids=["first", "held"])
def test_another_process_writes_the_same_bytes(arch, tmp_path):
    """Neither the hash seed nor the folder may show in the files."""
    emit_verilog(arch, tmp_path / "a")
    script = (
        "import sys; from adqhw.rtl.arch.arch import Arch;"
        "from adqhw.rtl.verilog import emit_verilog;"
        f"emit_verilog(Arch.from_dict({arch.to_dict()}), sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "b")],
        check=True,
        env={"PYTHONHASHSEED": "77", "PATH": ""},
    )
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_manifest_describes_the_files(tmp_path):
    program = every_kind()
    arch = narrowest(program, rows=2, cols=3)
    manifest = emit_verilog(arch, tmp_path, program)
    assert manifest == json.loads((tmp_path / MANIFEST).read_text())
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    assert set(manifest["files"]) | {MANIFEST} == {p.name for p in tmp_path.iterdir()}
    assert Arch.from_dict(manifest["arch"]) == arch
    assert manifest["program_digest"] == program.digest
    assert manifest["latencies"] == latencies(arch)


def test_ports_are_flat_and_as_listed(tmp_path):
    """Verilator renames top-level ports with a double underscore."""
    manifest = emit_verilog(ARCH, tmp_path)
    text = (tmp_path / f"{TOP_MODULE}.v").read_text()
    header = text[text.index(f"module {TOP_MODULE}(") :].split(";")[0]
    listed = {port["name"] for port in manifest["ports"]}
    assert listed == set(header.split("(")[1].strip(")").replace("\n", "").split(", "))
    assert not [name for name in listed if "__" in name]
    beat = next(port for port in manifest["ports"] if port["name"] == "beat_payload")
    assert beat["width"] == 2 * 8 + 6 * 8 + 6 + 2
    assert beat["fields"]["weights"] == {"offset": 16, "width": 48}


def test_an_array_that_holds_weights_is_a_whole_accelerator(tmp_path):
    """Its column, itself and its memories; its own latencies."""
    manifest = emit_verilog(HELD, tmp_path)
    assert manifest["top"] == ACCELERATOR_MODULE
    assert sorted(manifest["files"]) == [
        f"{name}.v" for name in (ACCELERATOR_MODULE, COLUMN_MODULE, MEMORIES)
    ]
    text = (tmp_path / f"{ACCELERATOR_MODULE}.v").read_text()
    assert text.count(f"  {COLUMN_MODULE} ") == HELD.cols
    header = text[text.index(f"module {ACCELERATOR_MODULE}(") :].split(";")[0]
    listed = {port["name"] for port in manifest["ports"]}
    assert listed == set(header.split("(")[1].strip(")").replace("\n", "").split(", "))
    assert manifest["latencies"]["array"] == held_array_latency(HELD)


def test_one_column_module_serves_every_column():
    texts = verilog_texts(ARCH)
    assert texts[f"{COLUMN_MODULE}.v"].count("\nmodule ") == 1
    assert texts[f"{TOP_MODULE}.v"].count(f"  {COLUMN_MODULE} ") == ARCH.cols


def test_a_program_that_does_not_fit_writes_nothing(tmp_path):
    arch = Arch(rows=2, cols=3, acc_width=10)
    with pytest.raises(InputError, match="acc_width must be at least"):
        emit_verilog(arch, tmp_path / "out", every_kind())
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_bad_input(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="must be a directory"):
        emit_verilog(ARCH, tmp_path / "file")
