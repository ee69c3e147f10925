"""Working folders: a path that make takes, removed after their process, one builder at a time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from programs import random_images
from simulators import quickest, usable
from small_nets import small_net

from adqhw.cosim.compare.network_cosim import cosimulate_network
from adqhw.cosim.simulators import workshop as module
from adqhw.cosim.simulators.build_cache import build_folder, making
from adqhw.cosim.simulators.workshop import (
    ELSEWHERE,
    KEPT,
    KEPT_SECONDS,
    alone,
    remove_stale,
    scratch,
    workshop,
)
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError
from adqhw.spec.errors import SimulationError

ODD = ["a b", "a&b", "a;b", "a#b", "a:b", "a$b", "a'b", 'a"b', "a(b", "a*b", "a\\b", "a\nb", "a%b"]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "adqhw" / "builds"


@pytest.mark.parametrize("name", ODD)
def test_a_path_that_make_does_not_take_is_worked_in_elsewhere(name, cache, tmp_path):
    found = workshop(tmp_path / name / "build")
    assert found.parent == cache
    assert (tmp_path / name / "build" / ELSEWHERE).resolve() == found.resolve()
    assert workshop(tmp_path / name / "build") == found
    assert workshop(tmp_path / name / "other") != found
    (tmp_path / "link").symlink_to(tmp_path / name / "build")  # cocotb follows links
    assert workshop(tmp_path / "link") == found


@pytest.mark.parametrize("name", ["plain", "a.b-c_d+e,f@g", "größe"])
def test_other_paths_are_worked_in_themselves(name, cache, tmp_path):
    assert workshop(tmp_path / name) == tmp_path / name
    assert list((tmp_path / name).iterdir()) == []


def test_a_cache_that_is_unwritable_odd_or_another_users_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    for home in (tmp_path / "file", tmp_path / "odd home", Path("relative")):
        monkeypatch.setenv("XDG_CACHE_HOME", str(home))
        found = workshop(tmp_path / "a b")
        assert found.parent == tmp_path / "temporary" / f"adqhw-builds-{os.getuid()}"
        assert found.parent.stat().st_mode & 0o077 == 0
    assert not (tmp_path / "relative").exists()  # it was made, then passed over
    found.parent.chmod(0o777)  # others could put a build there
    assert workshop(tmp_path / "a b").parent != found.parent


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Build folder must be writable, not"):
        workshop(tmp_path / "file" / "build")


KILLED = """
import sys, time
from pathlib import Path
from adqhw.cosim.simulators.build_cache import making
from adqhw.cosim.simulators.workshop import scratch
where = Path(sys.argv[1])
with scratch(where, "network"), making(where / "made", {"a": ""}):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path):
    living, killed = (
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    )
    try:
        for process in (living, killed):
            assert process.stdout.readline() == "ready\n"
        assert len(list(tmp_path.iterdir())) == 4
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        with making(tmp_path / "mine", {}):
            pass
        left = sorted(path.name.split("_")[0] for path in tmp_path.iterdir())
        assert left == ["making", "mine", "network"]
        (tmp_path / "making_none").mkdir()  # not one of ours
    finally:
        for process in (living, killed):
            process.kill()
            process.communicate()
    remove_stale(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["making_none", "mine"]


def test_a_simulation_that_failed_stays_for_some_days(tmp_path):
    with pytest.raises(SimulationError), scratch(tmp_path, "simulation") as folder:
        raise SimulationError(f"see {folder}")
    remove_stale(tmp_path)
    assert (folder / KEPT).is_file()
    remove_stale(tmp_path, now=lambda: time.time() + KEPT_SECONDS + 1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), scratch(tmp_path, "simulation"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


BUILDER = """
import sys, time
from pathlib import Path
from adqhw.cosim.simulators.build_cache import making
from adqhw.cosim.simulators.workshop import alone
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with alone(folder):
    if folder.is_dir():
        print("found")
    else:
        with making(folder, {}):
            time.sleep(0.3)
        print("made")
"""


def test_of_two_builders_one_builds_and_the_other_waits(tmp_path):
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(tmp_path / "made")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in builders:
        assert process.stdout.readline() == "ready\n"
    for process in builders:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(process.communicate()[0] for process in builders) == ["found\n", "made\n"]


def test_a_lock_without_a_builder_holds_nobody_up(tmp_path):
    for _ in range(2):
        with alone(tmp_path / "made"):
            pass


@pytest.mark.simulator
def test_cosim_runs_in_a_folder_of_any_name(cache, tmp_path):
    """With Verilator, whose makefiles can fail, this is slow: `test_verilator_builds_in_...`."""
    program = small_net()
    arch = narrowest(program, rows=2, cols=2, micro="uniform")
    build = tmp_path / "a b&c;d#e:f$g" / "build"
    report = cosimulate_network(
        program, random_images(program, 1), arch, quickest(), build_dir=build
    )
    assert report.passed
    assert [path.name for path in build.iterdir()] == [ELSEWHERE]
    kinds = {path.name.split("_")[0] for path in workshop(build).iterdir() if path.is_dir()}
    assert kinds == {"verilog", quickest()}  # and nothing half-made


@pytest.mark.slow
@pytest.mark.simulator
def test_verilator_builds_in_a_folder_of_any_name(cache, tmp_path):
    """The accelerator, one layer, and waves."""
    from adqhw.cosim.compare.cosimulate import cosimulate
    from adqhw.cosim.compare.waves import write_waves
    from adqhw.cosim.network.network import Case

    usable("verilator")
    program = small_net()
    arch = narrowest(program, rows=1, cols=1, micro="uniform")
    images = random_images(program, 1)
    build = tmp_path / "a b&c;d#e:f$g" / "build"
    assert cosimulate_network(program, images, arch, build_dir=build).passed
    assert cosimulate(program, images, arch, layers=["mac0"], build_dir=build).passed
    target = tmp_path / "a b&c" / "waves.vcd"
    write_waves(
        Case(program=program, images=np.asarray(images)), arch, build, target,
        kind="vcd", window=(0, 9),
    )  # fmt: skip
    assert target.stat().st_size > 0


def test_the_build_folder_of_a_key_lies_in_the_workshop(cache, tmp_path):
    assert build_folder(tmp_path / "a b", "kind", "key").parent == workshop(tmp_path / "a b")
