"""Verilog of an engine: one column module, instantiated `cols` times, and a manifest beside it."""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amaranth.back import verilog
from amaranth.lib import wiring

from ..spec.errors import InputError
from ..spec.files import atomic_path
from .accelerator import Accelerator
from .accelerator_ports import ACCELERATOR_MODULE
from .arch import Arch
from .axi_top import AxiTop
from .engine import Engine
from .lane_array import COLUMN_MODULE
from .lookup_mac import column_for
from .ports import flat_ports, port_table
from .timing import latencies

if TYPE_CHECKING:
    from ..spec.program import Program

TOP_MODULE = "adqhw_engine"
AXI_MODULE = "adqhw_top"
MANIFEST = "manifest.json"
MANIFEST_VERSION = 1


def emit_verilog(
    arch: Arch, directory: str | Path, program: "Program | None" = None
) -> dict[str, Any]:
    """Write the engine's Verilog and `manifest.json` into `directory`; return the manifest.

    The same Arch gives the same bytes. With a program, refuse an Arch it does not fit and record
    its digest. The manifest is written last: a folder that has one is complete.
    """
    if program is not None:
        arch.check_program(program)
    folder = Path(directory)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"Verilog folder must be a directory, not the file {str(folder)!r}")
    engine = Engine(arch, instances=True)
    texts = _texts(arch, engine)
    manifest = {
        "manifest_version": MANIFEST_VERSION,
        "generator": {name: metadata.version(name) for name in ("adqhw", "amaranth")},
        "top": TOP_MODULE,
        "arch": arch.to_dict(),
        "arch_digest": arch.digest,
        "program_digest": program.digest if program is not None else None,
        "latencies": latencies(arch),
        "ports": port_table(engine),
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
    }
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, text in texts.items():
        _write(folder / name, text)
    _write(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return manifest


def verilog_texts(arch: Arch) -> dict[str, str]:
    """Verilog by file name: the column, then the engine that instantiates it."""
    return _texts(arch, Engine(arch, instances=True))


def accelerator_texts(arch: Arch) -> dict[str, str]:
    """Verilog by file name: the column, then the whole-network accelerator."""
    return {
        f"{COLUMN_MODULE}.v": convert(column_for(arch), COLUMN_MODULE),
        f"{ACCELERATOR_MODULE}.v": convert(Accelerator(arch, instances=True), ACCELERATOR_MODULE),
    }


def axi_texts(arch: Arch) -> dict[str, str]:
    """Verilog by file name: the accelerator's, then its AXI ports, which instantiate it."""
    return {
        **accelerator_texts(arch),
        f"{AXI_MODULE}.v": convert(AxiTop(arch, instances=True), AXI_MODULE),
    }


def _texts(arch: Arch, engine: Engine) -> dict[str, str]:
    return {
        f"{COLUMN_MODULE}.v": convert(column_for(arch), COLUMN_MODULE),
        f"{TOP_MODULE}.v": convert(engine, TOP_MODULE),
    }


def convert(component: wiring.Component, name: str) -> str:
    """Verilog of a component, its ports named by `flat_ports`."""
    # Source attributes would name paths of this machine: the bytes must not depend on them.
    return verilog.convert(
        component,
        name=name,
        ports=flat_ports(component),
        emit_src=False,
        strip_internal_attrs=True,
    )


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
