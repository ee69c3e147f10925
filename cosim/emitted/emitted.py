"""Reading an emitted folder back: every file must have the digest of the manifest."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...rtl.accelerator.ports import ACCELERATOR_MODULE, load_layout
from ...rtl.arch.arch import Arch
from ...rtl.dma.axi_master import MASTER_MODULE
from ...rtl.lanes.lane_array import COLUMN_MODULE
from ...rtl.program.image import Row
from ...rtl.rtlil.memories import MEMORIES
from ...rtl.verilog import MANIFEST
from ...rtl.verilog_text import PREFIX, check_plain, check_prefix, module_name, renamed
from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.host.reading import read_bytes, read_json
from ...spec.host.text import printable, shown
from ...spec.program import Program
from .emission import MANIFEST_VERSION, MEMORY

MAX_EMITTED_BYTES = 1 << 30
"""Of one file: the memory image of a network of 64 million weights has 0.3 GB."""
ROW_BYTES = 400
"""A line, its word and its three parts as Python objects."""
_VERILOG = (COLUMN_MODULE, ACCELERATOR_MODULE)


@dataclass(frozen=True, kw_only=True, eq=False)
class Emitted:
    """An emitted accelerator: its Arch, Verilog by file name, memory rows.

    Its modules have their default names again, so that equal Verilog is compiled once.
    """

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
    prefix, files = check_prefix(manifest["prefix"]), manifest["files"]
    arch = Arch.from_dict(manifest["arch"], f"Manifest {str(folder / MANIFEST)!r} arch")
    texts = {}
    modules = [*_VERILOG, *[MEMORIES] * arch.holds, *[MASTER_MODULE] * (arch.external is not None)]
    for module in modules:
        name = f"{module_name(module, prefix)}.v"
        text = check_plain(_text(folder, name, files), f"Emitted file {str(folder / name)!r}")
        texts[f"{module}.v"] = renamed(text, prefix, PREFIX)
    rows = _rows(arch, _text(folder, MEMORY, files))
    return Emitted(arch=arch, texts=texts, rows=rows)


def _manifest(path: Path) -> dict[str, Any]:
    manifest = read_json(path, "Manifest of an emitted accelerator")
    version = manifest.get("manifest_version")
    if version != MANIFEST_VERSION:
        raise InputError(
            f"Manifest version must be {MANIFEST_VERSION}, not {shown(version)} ({path}): "
            "run adqhw verilog again"
        )
    for name, kind in (
        ("program_digest", str), ("prefix", str), ("arch", dict), ("files", dict),
    ):  # fmt: skip
        if not isinstance(manifest.get(name), kind):
            raise InputError(f"Manifest must have {name!r} as a {kind.__name__} ({path})")
    return manifest


def _text(folder: Path, name: str, digests: dict[str, str]) -> str:
    """A file of the folder with its manifest's digest; `name` begins with the checked prefix."""
    content = read_bytes(folder / name, "Emitted file", MAX_EMITTED_BYTES)
    if hashlib.sha256(content).hexdigest() != digests.get(name):
        raise InputError(
            f"Emitted file {str(folder / name)!r} must be as its manifest says, not changed since"
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"Emitted file {str(folder / name)!r} must be text: {error}") from None


def _rows(arch: Arch, text: str) -> list[Row]:
    """`image_lines` read back."""
    layout = load_layout(arch)
    row_at, data_at = layout["row"].offset, layout["data"].offset
    digits = -(-layout.size // 4)
    demand(ROW_BYTES * text.count("\n"), f"Emitted {MEMORY}, in memory,")
    lines, row = text.split(), re.compile(rf"[0-9a-f]{{1,{digits}}}")
    wrong = next((line for line in lines if not row.fullmatch(line)), None)
    if wrong is not None:
        raise InputError(
            f"Emitted {MEMORY} must hold rows of at most {digits} hex digits, not "
            f"{printable(wrong, 40)!r}"
        )
    words = [int(line, 16) for line in lines]
    return [
        (
            word & ((1 << row_at) - 1),
            word >> row_at & ((1 << data_at - row_at) - 1),
            word >> data_at,
        )
        for word in words
    ]
