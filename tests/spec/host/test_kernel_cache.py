"""Compiled kernels on disk: damaged files are compiled again, never loaded."""

import os
import subprocess
import sys

import pytest

SOURCE = """
from adqhw.spec.host.kernel_cache import cached_kernel
@cached_kernel()
def f(x):
    return 3 * x + 1
print(f(5), sum(f.stats.cache_hits.values()))
"""


def play(path, **changed):
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, env={**os.environ, **changed}
    )
    return done.returncode, done.stdout.split(), done.stderr


DAMAGE = {
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda data: data[:200] + b"\xff" * 64 + data[264:],
}


def test_damaged_kernels_are_compiled_again(tmp_path):
    path = tmp_path / "kernels.py"
    path.write_text(SOURCE)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert play(path, **cache) == (0, ["16", "0"], "")
    assert play(path, **cache) == (0, ["16", "1"], "")
    (kept,) = (tmp_path / "cache").rglob("*.nbc")
    whole = kept.read_bytes()
    for damage in DAMAGE.values():
        kept.write_bytes(damage(whole))
        assert play(path, **cache) == (0, ["16", "0"], "")
        assert kept.read_bytes() != damage(whole)


@pytest.mark.slow
def test_no_folder_for_kernels_costs_a_line(tmp_path):
    path = tmp_path / "kernels.py"
    path.write_text(SOURCE.replace("print", "import os\nprint"))
    (tmp_path / "__pycache__").write_text("no folder")
    home = {"HOME": "/dev/null/x", "XDG_CACHE_HOME": "", "TMPDIR": str(tmp_path)}
    code, said, line = play(path, **home)
    assert (code, said, line.count("\n")) == (0, ["16", "0"], 1)
    assert "adqhw-cache-" in line
    assert play(path, **home)[1] == ["16", "1"]


def test_a_full_disk_costs_a_line_that_names_the_cache(tmp_path):
    path = tmp_path / "kernels.py"
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))\n"
    path.write_text(limit + SOURCE)
    cache = tmp_path / "cache"
    code, said, line = play(path, NUMBA_CACHE_DIR=str(cache))
    assert (code, said, line.count("\n")) == (0, ["16", "0"], 1)
    assert str(cache) in line
    assert not [kept for kept in cache.rglob("*") if kept.is_file()]


def test_pictures_without_a_home_say_nothing(tmp_path):
    path = tmp_path / "fonts.py"
    path.write_text(
        "from adqhw.spec.host.caches import ensure_font_cache\nensure_font_cache()\n"
        "import os, matplotlib\nprint(os.environ['MPLCONFIGDIR'])\n"
    )
    home = {"HOME": "/dev/null/x", "XDG_CACHE_HOME": str(tmp_path), "XDG_CONFIG_HOME": "/dev/null"}
    code, said, err = play(path, **home, MPLCONFIGDIR="")
    assert (code, said, err) == (0, [str(tmp_path / "matplotlib")], "")
