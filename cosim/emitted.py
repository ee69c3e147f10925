"""Reading an emitted folder back: nothing runs that its manifest does not vouch for."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..rtl.accelerator_ports import load_layout
from ..rtl.arch import Arch
from ..rtl.image import Row
from ..rtl.lane_array import COLUMN_MODULE
from ..rtl.verilog import ACCELERATOR_MODULE, MANIFEST
from ..spec.errors import InputError
from ..spec.program import Program
from .emission import MANIFEST_VERSION, MEMORY

_VERILOG = (f"{COLUMN_MODULE}.v", f"{ACCELERATOR_MODULE}.v")


@dataclass(frozen=True, kw_only=True, eq=False)
class Emitted:
    """An accelerator that was written before: its Arch, Verilog by file name, memory rows."""

    arch: Arch
    texts: dict[str, str] = field(repr=False)
    rows: list[Row] = field(repr=False)


def read_emitted(directory: str | Path, program: Program) -> Emitted:
    """The accelerator in `directory`; refuse one made for another program, or changed since."""
    folder = Path(directory)
    manifest = _manifest(folder / MANIFEST)
    if manifest["program_digest"] != program.digest:
        raise InputError(
            f"Emitted accelerator must be of program {program.digest[:12]}, not of "
            f"{str(manifest['program_digest'])[:12]} ({folder}): run adqhw verilog again"
        )
    texts = {name: _text(folder, name, manifest["files"]) for name in (*_VERILOG, MEMORY)}
    arch = Arch.from_dict(manifest["arch"], f"Manifest {str(folder / MANIFEST)!r} arch")
    rows = _rows(arch, texts.pop(MEMORY))
    return Emitted(arch=arch, texts=texts, rows=rows)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Emitted accelerator must have a readable manifest, not {str(path)!r}: {error}"
        ) from None
    if not isinstance(manifest, dict) or manifest.get("manifest_version") != MANIFEST_VERSION:
        version = manifest.get("manifest_version") if isinstance(manifest, dict) else None
        raise InputError(
            f"Manifest version must be {MANIFEST_VERSION}, not {version!r} ({path}): "
            "run adqhw verilog again"
        )
    for name, kind in (("program_digest", str), ("arch", dict), ("files", dict)):
        if not isinstance(manifest.get(name), kind):
            raise InputError(f"Manifest must have {name!r} as a {kind.__name__} ({path})")
    return manifest


def _text(folder: Path, name: str, digests: dict[str, str]) -> str:
    """A file of the folder, as its manifest knows it."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise InputError(f"Emitted file must be readable: {error}") from None
    if hashlib.sha256(content).hexdigest() != digests.get(name):
        raise InputError(
            f"Emitted file {str(folder / name)!r} must be as its manifest says, not changed since"
        )
    return content.decode()


def _rows(arch: Arch, text: str) -> list[Row]:
    """`image_lines` read back."""
    layout = load_layout(arch)
    row_at, data_at = layout["row"].offset, layout["data"].offset
    words = [int(line, 16) for line in text.split()]
    return [
        (
            word & ((1 << row_at) - 1),
            word >> row_at & ((1 << data_at - row_at) - 1),
            word >> data_at,
        )
        for word in words
    ]
