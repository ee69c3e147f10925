"""Kernels that Numba compiles, kept on disk in files that are sealed.

Numba loads whatever its cache holds: a damaged file ends the process inside LLVM, a folder that
takes no files fails the import, and an index that was written without its data gives the
machine code of another source. Here

* one file holds one compiled signature behind a SHA-256 over its bytes and over all that they
  depend on (Numba, Python, processor, source): a file that does not fit is compiled again and
  replaced;
* the folder is Numba's (`NUMBA_CACHE_DIR`, `__pycache__`, the user's cache), else a private one
  (`caches`), looked for at the first call of a kernel;
* where no folder takes files, one warning, and kernels are compiled in every process.
"""

# mypy: disable-error-code="no-untyped-call,no-untyped-def,attr-defined,misc,assignment"
# (Numba has no annotations)

import hashlib
import pickle
import sys
from collections.abc import Callable
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

from ..errors import InputError
from .caches import ensure_cache_home
from .files import atomic_path
from .text import warn

_BLOCKS = hashlib.sha256(Path(__file__).with_name("llvm.py").read_bytes()).hexdigest()
"""Of the building blocks that kernels' intrinsics are written with: Numba looks at one file."""
_VERSIONS = (numba.__version__, metadata.version("llvmlite"), sys.version, _BLOCKS)
_SEAL = hashlib.sha256().digest_size


def cached_kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: `numba.njit(nogil=True, **options)` with a sealed cache."""

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(nogil=True, **options)(function)
        dispatcher._cache = SealedCache(function)
        return dispatcher

    return compiled


class _UserLocator(caching.UserWideCacheLocator):
    """The user's cache, or the private one that takes its place."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        ensure_cache_home()
        return super().from_function(py_func, py_file)


class _Place(caching.CompileResultCacheImpl):
    _locator_classes = [
        caching.UserProvidedCacheLocator,
        caching.InTreeCacheLocator,
        _UserLocator,
    ]


class SealedCache(caching.FunctionCache):
    """Numba's cache of one function, with a seal on each file."""

    def __init__(self, py_func: Callable[..., Any]) -> None:
        # not the inherited one, which looks for a folder when the module is imported
        self._name = repr(py_func)
        self._py_func = py_func
        self.enable()

    @cached_property
    def _impl(self) -> Any:
        """Folder and content of the files; None where nothing can be kept."""
        try:
            return _Place(self._py_func)
        except (RuntimeError, OSError):  # no locator, or no source file
            _say_once("no folder takes files")
            return None

    @property
    def cache_path(self) -> str | None:
        return None if self._impl is None else str(self._impl.locator.get_cache_path())

    def flush(self) -> None:
        """Forget every signature of the function."""
        if self._impl is not None:
            for path in Path(self._impl.locator.get_cache_path()).glob(self._file("*")):
                path.unlink(missing_ok=True)

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        if not self._enabled or self._impl is None:
            return None
        path, facts = self._entry(sig, target_context.codegen())
        try:
            content = path.read_bytes()
        except OSError:
            return None
        seal, payload = content[:_SEAL], content[_SEAL:]
        if seal != _seal(facts, payload):
            return None
        return self._impl.rebuild(target_context, pickle.loads(payload))

    def _save_overload(self, sig: Any, data: Any) -> None:
        if not self._enabled or self._impl is None or not self._impl.check_cachable(data):
            return
        path, facts = self._entry(sig, data.codegen)
        payload = caching.dumps(self._impl.reduce(data))
        try:
            with atomic_path(path) as temporary:
                temporary.write_bytes(_seal(facts, payload) + payload)
        except (InputError, OSError) as error:
            _say_once(f"{str(path.parent)!r} does not: {error}")

    def _entry(self, sig: Any, codegen: Any) -> tuple[Path, bytes]:
        """The file of a signature on this processor, and the inputs of its bytes."""
        key = self._index_key(sig, codegen)
        name = hashlib.sha256(repr(key[:2]).encode()).hexdigest()[:16]
        stamp = self._impl.locator.get_source_stamp()
        facts = repr((_VERSIONS, self._name_in_source, stamp, key)).encode()
        return Path(self._impl.locator.get_cache_path()) / self._file(name), facts

    def _file(self, name: str) -> str:
        return f"{self._impl.filename_base}.{name}.nbc"

    @property
    def _name_in_source(self) -> tuple[str, str]:
        return self._py_func.__module__, self._py_func.__qualname__


def _seal(facts: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(len(facts).to_bytes(8, "little") + facts + payload).digest()


@cache
def _say_once(why: str) -> None:
    warn(f"compiled kernels are not kept: the kernel cache needs a folder that takes files, {why}")
