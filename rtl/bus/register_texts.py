"""The register map as text: manifest entry, C header, tables of docs/registers.md."""

from typing import Any

from ...spec.host.markdown import table
from ..accelerator.ports import memory_name, target_rows
from ..arch.arch import Arch
from .registers import EXTERNAL_REGISTERS, WHOLE, Field, Register, load_words, registers_of


def register_table(arch: Arch) -> list[dict[str, Any]]:
    """The registers as plain data, for manifests."""
    return [
        {
            "name": entry.name,
            "offset": entry.offset,
            "access": entry.access.value,
            "reset": entry.reset,
            "meaning": entry.meaning,
            "fields": [
                {
                    "name": f.name, "low": f.low, "width": f.width, "reset": f.reset,
                    "meaning": f.meaning,
                }
                for f in entry.fields
            ],
        }
        for entry in registers_of(arch)
    ]  # fmt: skip


def c_header(arch: Arch, prefix: str = "adqhw") -> str:
    """The map and the memories of `arch` as a C header; its macros begin with PREFIX_."""
    name = prefix.upper()
    lines = [
        f"/* Registers of {prefix}_top: AXI4-Lite, 32-bit words, offsets in bytes.",
        "   What is refused answers SLVERR and changes nothing. Generated; docs/registers.md. */",
        f"#ifndef {name}_REGS_H",
        f"#define {name}_REGS_H",
        "",
    ]
    for entry in registers_of(arch):
        lines += _c_register(name, entry)
    lines += _c_memories(name, arch)
    return "\n".join([*lines, "#endif", ""])


def _c_register(name: str, entry: Register) -> list[str]:
    """The offset of a register; masks and places of its fields."""
    lines = [f"/* {entry.access}. {entry.meaning} */"]
    lines.append(f"#define {name}_{entry.name} 0x{entry.offset:02x}u")
    for f in entry.fields:
        at = f"{name}_{entry.name}" + ("" if f.name == WHOLE else f"_{f.name}")
        lines.append(f"/* {f.meaning} */")
        if f.name != WHOLE:
            lines.append(f"#define {at} 0x{f.mask:08x}u")
            lines.append(f"#define {at}_SHIFT {f.low}")
        if f.reset:
            lines.append(f"#define {at}_RESET 0x{f.reset:x}u")
    return [*lines, ""]


def _c_memories(name: str, arch: Arch) -> list[str]:
    """Values of TARGET, words of a row and number of rows."""
    lines = ["/* Memories: number for TARGET, DATA words of a row, rows. */"]
    words = load_words(arch)
    for target, rows in target_rows(arch).items():
        at = f"{name}_MEMORY_{memory_name(target).upper()}"
        lines.append(f"#define {at} {target}u")
        lines.append(f"#define {at}_WORDS {words[target]}u")
        lines.append(f"#define {at}_ROWS {rows}u")
    return [*lines, ""]


def register_rows() -> str:
    """The tables of docs/registers.md: every register, and every field."""
    registers = [
        (f"0x{r.offset:02X}", r.name, r.access, _reset(r), r.meaning) for r in EXTERNAL_REGISTERS
    ]
    fields = [(r.name, _bits(f), f.name, f.meaning) for r in EXTERNAL_REGISTERS for f in r.fields]
    return "\n".join(
        [
            *table(("offset", "register", "access", "reset", "what"), registers),
            "",
            *table(("register", "bits", "field", "what"), fields),
            "",
        ]
    )


def _reset(entry: Register) -> str:
    return f"0x{entry.reset:X}" if entry.access.reads else ""


def _bits(entry: Field) -> str:
    return str(entry.low) if entry.width == 1 else f"{entry.low + entry.width - 1}:{entry.low}"
