"""Verilog of an engine: one column module, instantiated `cols` times, and a manifest beside it."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amaranth.back import rtlil, verilog
from amaranth.lib import wiring

from ..rtl.networks.demands import check_program
from ..spec.errors import InputError
from ..spec.host.caches import ensure_cache_home
from ..spec.host.digests import text_digests
from ..spec.host.files import write_file
from .accelerator.ports import ACCELERATOR_MODULE
from .arch.arch import Arch
from .bus.axi_top import AxiTop
from .dma.axi_master import MASTER_MODULE, AxiMaster
from .engine.engine import Engine
from .lanes.lane_array import COLUMN_MODULE
from .layouts.ports import flat_ports, port_table
from .machine.choice import accelerator_of
from .rtlil.memories import MEMORIES, memories_apart, memory_modules, memory_shapes
from .rtlil.names import named
from .timing.held_timing import held_latencies
from .timing.timing import latencies
from .verilog_text import PREFIX, check_prefix, finished, module_name, registers_kept

if TYPE_CHECKING:
    from ..spec.program import Program

TOP_MODULE = "adqhw_engine"
AXI_MODULE = "adqhw_top"
MANIFEST = "manifest.json"
MANIFEST_VERSION = 2


def emit_verilog(
    arch: Arch, directory: str | Path, program: "Program | None" = None, prefix: str = PREFIX
) -> dict[str, Any]:
    """Write the engine's Verilog and `manifest.json` into `directory`; return the manifest.

    Where `arch.holds` there is no engine without memories: the accelerator's. The same Arch gives
    the same bytes. With a program, refuse an Arch it does not fit and record
    its digest. prefix: of the modules' names.
    """
    check_prefix(prefix)
    if program is not None:
        check_program(arch, program)
    folder = verilog_folder(directory)
    parts = _accelerator(arch) if arch.holds else _engine(arch)
    texts, top = _finished(parts, arch, prefix), list(parts)[-1]
    manifest = {
        "manifest_version": MANIFEST_VERSION,
        "generator": {name: metadata.version(name) for name in ("adqhw", "amaranth")},
        "top": module_name(top, prefix),
        "arch": arch.to_dict(),
        "arch_digest": arch.digest,
        "program_digest": program.digest if program is not None else None,
        "latencies": held_latencies(arch) if arch.holds else latencies(arch),
        "ports": port_table(parts[top]),
        "files": text_digests(texts),
    }
    write_folder(folder, texts, manifest)
    return manifest


def verilog_texts(arch: Arch, prefix: str = PREFIX) -> dict[str, str]:
    """Verilog by file name: the column, then the engine that instantiates it."""
    return _finished(_engine(arch), arch, prefix)


def accelerator_texts(arch: Arch, prefix: str = PREFIX) -> dict[str, str]:
    """Verilog by file name: the column, the whole-network accelerator, and the modules of its
    memories where `arch.holds`."""
    return _finished(_accelerator(arch), arch, prefix)


def axi_texts(arch: Arch, prefix: str = PREFIX) -> dict[str, str]:
    """Verilog by file name: the accelerator's, then its AXI ports, which instantiate it."""
    parts = _accelerator(arch) | {AXI_MODULE: AxiTop(arch, instances=True)}
    return _finished(parts, arch, prefix)


def _accelerator(arch: Arch) -> dict[str, wiring.Component]:
    """Components by the default names of their modules, the top level last."""
    column = arch.lanes.holding(arch) if arch.holds else arch.lanes.column
    parts: dict[str, wiring.Component] = {
        COLUMN_MODULE: column(arch),
        ACCELERATOR_MODULE: accelerator_of(arch, instances=True),
    }
    if arch.external is not None:
        parts[MASTER_MODULE] = AxiMaster(arch)
    return parts


def _engine(arch: Arch) -> dict[str, wiring.Component]:
    """Components by the default names of their modules, the top level last."""
    return {COLUMN_MODULE: arch.lanes.column(arch), TOP_MODULE: Engine(arch, instances=True)}


def _finished(components: dict[str, wiring.Component], arch: Arch, prefix: str) -> dict[str, str]:
    """Verilog by file name, of components by the default names of their modules."""
    write = convert_held if arch.holds else convert
    texts = {module: write(component, module) for module, component in components.items()}
    if arch.holds:
        head = parameter_comment(arch)
        if shapes := memory_shapes(texts):
            texts[MEMORIES] = memory_modules(shapes)
        texts = {module: head + text for module, text in texts.items()}
    return {
        f"{module_name(module, prefix)}.v": finished(text, prefix) for module, text in texts.items()
    }


def parameter_comment(arch: Arch) -> str:
    """What a text was made from, as a comment: generator, digest and values of the Arch."""
    made = ", ".join(f"{name} {metadata.version(name)}" for name in ("adqhw", "amaranth"))
    values = [f"{name}={value}" for name, value in _flat(arch.to_dict())]
    lines = "\n".join(f"   {line}" for line in textwrap.wrap(", ".join(values), 90))
    return f"/* {made}. Arch {arch.digest}:\n{lines} */\n"


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def convert(component: wiring.Component, name: str) -> str:
    """Verilog of a component, its ports named by `flat_ports`."""
    ensure_cache_home()  # yosys is WebAssembly, compiled on its first run
    # Source attributes contain paths of this machine; the bytes must not depend on them.
    text: str = verilog.convert(
        component,
        name=name,
        ports=flat_ports(component),
        emit_src=False,
        strip_internal_attrs=True,
    )
    return text


def convert_held(component: wiring.Component, name: str) -> str:
    """`convert` with every wire named, every memory of two ports a module of its own, and registers
    kept that are marked so.

    `memory_modules` writes those modules.
    """
    ensure_cache_home()
    text = rtlil.convert(component, name=name, ports=flat_ports(component), emit_src=True)
    # Amaranth's way from RTLIL to Verilog; it has no public name for this half of `convert`.
    verilog_text: str = verilog._convert_rtlil_text(
        named(memories_apart(text)), strip_internal_attrs=True
    )
    return registers_kept(verilog_text)


def verilog_folder(directory: str | Path) -> Path:
    """The folder to write into, which need not exist."""
    folder = Path(directory)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"Verilog folder must be a directory, not the file {str(folder)!r}")
    return folder


def write_folder(folder: Path, texts: Mapping[str, str | bytes], manifest: dict[str, Any]) -> None:
    """Files by name, then `manifest.json`: a folder that has one is complete."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, text in texts.items():
        write_file(folder / name, text)
    write_file(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
