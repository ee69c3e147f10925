"""Compiled code on disk: reused, bound to the processor and to the text of the kernels."""

import subprocess
import sys

import pytest

from adqhw.sim.kernels import execute, sources

CODE = """
import numpy as np, programs
from adqhw.sim.kernels import execute
from adqhw.sim.runner import Runner
program = programs.every_kind(0)
Runner(program, simd="portable", threads=1)(programs.random_images(program, 1))
print(sum(execute.run.stats.cache_hits.values()), sum(execute.run.stats.cache_misses.values()))
"""


def test_second_process_compiles_nothing(request):
    support = str(request.config.rootpath / "tests" / "support" / "nets")
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {support!r})\n{CODE}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        hits, misses = (int(word) for word in done.stdout.split())
    assert (hits, misses) == (1, 0)


def test_key_holds_processor_and_sources():
    cache = execute.run._cache
    codegen = execute.run.targetdescr.target_context.codegen()
    signature, processor, code = cache._index_key("signature", codegen)
    assert processor == codegen.magic_tuple()
    assert len(processor) == 3  # triple, processor name, features
    other = execute._compiled(sources.DIGEST + 1)._cache._index_key("signature", codegen)
    assert (signature, processor) == other[:2]
    assert code != other[2]


@pytest.mark.parametrize("change", [b"x = 1\n", b"x = 2\n"])
def test_digest_follows_the_text(change, tmp_path):
    (tmp_path / "a.py").write_bytes(change)
    first = sources.digest_of(tmp_path)
    assert first == sources.digest_of(tmp_path)
    (tmp_path / "a.py").write_bytes(change + b"\n")
    assert first != sources.digest_of(tmp_path)
