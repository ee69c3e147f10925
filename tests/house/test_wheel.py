"""sdist and wheel: what is in them, and that a wheel in an empty environment runs.

`make wheel` runs this file. Nothing is downloaded: the environments get what is installed here.
"""

import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import needs
import pytest
from empty_venv import closure, empty_venv, install
from places import ROOMS, ROOT, VECTORS, ZOO

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = f"adqhw-{PROJECT['version']}"
PROGRAM = VECTORS / "every_kind"


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("the files of a checkout are asked of git, which is not here")
    return set(listed.stdout.split("\n")) - {""}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with sdist and wheel, made from the files that git knows."""
    needs.package("build", "pip install 'adqhw[dev]'")
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in tracked():
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            file.symlink_to((ROOT / name).readlink())
        else:
            file.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    return built / f"{NAME}-py3-none-any.whl"


@pytest.fixture(scope="module")
def base(wheel, tmp_path_factory):
    """The interpreter of an environment with the base install alone."""
    python = empty_venv(tmp_path_factory.mktemp("base") / "v", closure(PROJECT["dependencies"]))
    install(python, wheel)
    return python


def call(python, *words, cwd):
    script = python.with_name("adqhw")
    return subprocess.run([script, *map(str, words)], capture_output=True, text=True, cwd=cwd)


def test_the_wheel_holds_every_file_of_the_rooms(wheel):
    rooms = set(ROOMS) - {"adqhw"}
    expected = {f"adqhw/{name}" for name in tracked() if name.split("/")[0] in rooms}
    own = {name for name in tracked() if name.startswith("adqhw/")}
    expected |= {name for name in own if name.split("/")[1] not in rooms}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = {name for name in names if name.startswith(f"{NAME}.dist-info/")}
    assert names - info == expected
    assert f"{NAME}.dist-info/licenses/LICENSE" in info


def test_the_sdist_holds_what_the_wheel_is_made_of(built):
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        names = {Path(name).relative_to(NAME).as_posix() for name in archive.getnames()}
    for name in ("CHANGELOG.md", "CITATION.cff", "README.md", "spec/contract.md", "docs/gates.md"):
        assert name in names
    assert {name for name in tracked() if name.split("/")[0] in set(ROOMS) - {"adqhw"}} <= names


def test_a_base_install_says_what_is_there(base, tmp_path):
    assert call(base, "--version", cwd=tmp_path).stdout == f"adqhw {PROJECT['version']}\n"
    done = call(base, "doctor", "--json", cwd=tmp_path)
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert not record["demo"]
    advice = {(f["area"], f["name"]): f["advice"] for f in record["findings"]}
    assert advice["install", "base"] == ""
    assert "missing: torch" in advice["extra", "train"]
    assert "pip install 'adqhw[cosim]'" in advice["extra", "cosim"]


def test_a_base_install_reads_and_runs_programs(base, tmp_path):
    zoo = sorted(ZOO.glob("*.safetensors"))[0]
    record = json.loads(call(base, "inspect", zoo, "--json", cwd=tmp_path).stdout)
    assert record["contract_version"] == 1
    code = (
        "import numpy, adqhw\n"
        f"folder = {str(PROGRAM)!r}\n"
        "logits = adqhw.load_program(f'{folder}/program.safetensors')"
        "(numpy.load(f'{folder}/images.npy'))\n"
        "assert (logits == numpy.load(f'{folder}/logits.npy')).all()\n"
    )
    subprocess.run([base, "-c", code], check=True, cwd=tmp_path)
    schema = json.loads(call(base, "schema", "inspect", cwd=tmp_path).stdout)
    assert schema["title"] == "adqhw inspect --json"


def test_a_base_install_names_the_extras_that_the_demo_takes(base, tmp_path):
    done = call(base, "demo", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("pip install 'adqhw[train,data,rtl,cosim]'\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.simulator
def test_the_demo_runs_in_an_environment_with_all_extras(wheel, tmp_path):
    needs.package("torch", "pip install 'adqhw[train]'")
    extras = PROJECT["optional-dependencies"]
    own = [text for name in ("train", "data", "rtl", "cosim", "exchange") for text in extras[name]]
    others = [text for text in own if not text.startswith("adqhw")]
    python = empty_venv(tmp_path / "v", closure([*PROJECT["dependencies"], *others]))
    install(python, wheel)
    done = call(python, "demo", "--quick", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["mismatches"]["rtl"] == 0
    assert (tmp_path / "runs" / "demo" / "report.html").is_file()
