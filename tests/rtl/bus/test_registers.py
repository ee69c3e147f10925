"""The register map: consistent, and the same in the page, the manifest entry and the C header."""

import json
import re
import subprocess

import pytest
from needs import absent
from places import ROOT

from adqhw.rtl.accelerator.ports import memory_name, target_rows
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.bus.register_texts import c_header, register_rows, register_table
from adqhw.rtl.bus.registers import ADDRESS_WIDTH, REGISTERS, WHOLE, WORD, load_words, mask, offset

PAGE = ROOT / "docs" / "registers.md"
MACRO = re.compile(r"^#define (\w+) (\w+?)u?$", re.MULTILINE)


def test_offsets_and_fields_do_not_overlap():
    offsets = [entry.offset for entry in REGISTERS]
    assert len(set(offsets)) == len({entry.name for entry in REGISTERS}) == len(REGISTERS)
    assert all(at % 4 == 0 and at < 1 << ADDRESS_WIDTH for at in offsets)
    for entry in REGISTERS:
        places = [bit for f in entry.fields for bit in range(f.low, f.low + f.width)]
        assert len(set(places)) == len(places)
        assert max(places) < WORD
        assert all(f.reset < 1 << f.width for f in entry.fields)


def test_the_page_has_the_tables():
    assert register_rows() in PAGE.read_text(encoding="utf-8"), "docs/registers.md: its tables"


def test_the_manifest_entry_is_the_map():
    table = json.loads(json.dumps(register_table(Arch(rows=2, cols=3))))
    assert [entry["name"] for entry in table] == [entry.name for entry in REGISTERS]
    for entry in table:
        assert entry["offset"] == offset(entry["name"])
        for found in entry["fields"]:
            bits = ((1 << found["width"]) - 1) << found["low"]
            assert bits == mask(entry["name"], found["name"])


def test_the_header_has_every_register_field_and_memory():
    arch = Arch(rows=2, cols=3)
    macros = {name: int(value, 0) for name, value in MACRO.findall(c_header(arch, "chip"))}
    for entry in REGISTERS:
        assert macros.pop(f"CHIP_{entry.name}") == entry.offset
        for f in entry.fields:
            at = f"CHIP_{entry.name}" + ("" if f.name == WHOLE else f"_{f.name}")
            if f.name != WHOLE:
                assert macros.pop(at) == f.mask
                assert macros.pop(f"{at}_SHIFT") == f.low
            if f.reset:
                assert macros.pop(f"{at}_RESET") == f.reset
    words = load_words(arch)
    for target, rows in target_rows(arch).items():
        at = f"CHIP_MEMORY_{memory_name(target).upper()}"
        assert [macros.pop(at + end) for end in ("", "_WORDS", "_ROWS")] == [
            target, words[target], rows
        ]  # fmt: skip
    assert macros == {}


@pytest.mark.parametrize("compiler", ["cc", "c++"])
def test_a_compiler_takes_the_header(compiler, tmp_path):
    text = c_header(Arch(rows=2, cols=3))
    source = "unsigned f(void) { return ADQHW_CONTROL_START | ADQHW_PASS_RESET; }\n"
    kind = "c" if compiler == "cc" else "c++"
    command = [compiler, "-x", kind, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-"]
    try:
        subprocess.run(command, input=(text + text + source).encode(), check=True, cwd=tmp_path)
    except FileNotFoundError as error:
        absent(compiler, str(error))
