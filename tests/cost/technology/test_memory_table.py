"""Memory tables: complete or refused, each of one node, and what their sources say."""

import math
import re
from importlib import resources

import pytest

from adqhw.cost.technology.built import Demand, build
from adqhw.cost.technology.choice import chosen
from adqhw.cost.technology.entries import Band
from adqhw.cost.technology.memory_table import (
    MEMORY_ENTRIES,
    Kind,
    available_memories,
    load_memories,
    parse_memories,
)
from adqhw.spec import InputError

KIB = 8192
HEAD = '[memories]\nname = "m"\nnode = "none"\nvoltage = 1.0\nsummary = "ones"\n'
ONES = HEAD + "".join(
    f'[entry.{name}]\nvalue = {{ low = 1.0, expected = 1.0, high = 1.0 }}\nunit = "{unit}"\n'
    'source = "s"\nnode = "none"\nnote = "n"\n'
    for name, unit in MEMORY_ENTRIES.items()
)
MACRO = """
[[macro]]
words = 256
width = 32
ports = 1
read_pj = { low = 3.0, expected = 3.2, high = 4.0 }
write_pj = { low = 3.0, expected = 6.4, high = 7.0 }
area_um2 = { low = 900.0, expected = 1000.0, high = 1100.0 }
leakage_uw = { low = 1.0, expected = 2.0, high = 3.0 }
access_ns = { low = 1.0, expected = 1.5, high = 2.0 }
source = "own compiler"
"""


def derived(text: str) -> str:
    return 'base = "sram45"\nname = "mine"\n' + text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have 'memories': nothing defaults"),
        (HEAD, "must have 'entry'"),
        (ONES.replace("voltage = 1.0\n", ""), "must have 'voltage'"),
        (ONES.replace("voltage = 1.0", "voltage = 0"), "voltage must be a positive finite number"),
        (ONES.replace('name = "m"', 'name = "a b"'), "name must be letters, digits and ._+-"),
        (ONES.replace("[entry.wire]", "[entry.wires]"), "must have 'wire'"),
        (ONES.replace("low = 1.0", "low = 2.0", 1), "low <= expected <= high"),
        (ONES.replace('"pJ/bit/mm"', '"pJ"'), "unit must be 'pJ/bit/mm', not 'pJ'"),
        ('base = "sram90"\nname = "x"', "base must be one of sram130, sram45, not 'sram90'"),
        ('base = "sram45"', "must have 'name'"),
        (derived('[memory.weight]\nkind = "sram"'), "no unknown key, not 'weight'"),
        (derived('[memory.weights]\nkind = "flash"'), "kind must be one of sram, registers"),
        (derived("[memory.weights]\nbanks = 0"), "banks must be in 1..65536, not 0"),
        (derived("[memory.weights]\nwidth = 2.5"), "width must be in 1..65536, not 2.5"),
        (derived("[memory.weights]\nports = true"), "ports must be in 1..4, not True"),
        (derived("macro = 1"), "macro must be a list of tables, not 1"),
        (derived(MACRO.replace("words = 256\n", "")), "macro 0 must have 'words'"),
        (derived(MACRO.replace("width = 32", "width = 0")), "width must be a positive integer"),
        (derived(MACRO.replace('"own compiler"', '""')), "source must be a non-empty text"),
        (derived(MACRO.replace("expected = 3.2", "expected = 9")), "low <= expected <= high"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse_memories(text, "bad.toml")
    assert "\n" not in str(caught.value)
    assert "bad.toml" in str(caught.value)


def test_a_file_may_take_the_figures_of_a_shipped_table(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(derived('[memory.sums]\nkind = "latches"\nwidth = 8\nbanks = 2\n'))
    table, base = load_memories(path), load_memories("sram45")
    assert (table.name, table.entries, table.node) == ("mine", base.entries, base.node)
    use = table.organization("sums")
    assert (use.kind, use.width, use.banks, use.ports) == (Kind.LATCHES, 8, 2, None)
    assert table.organization("weights") == base.organization("weights")


def test_names():
    assert available_memories() == ["sram130", "sram45"]
    with pytest.raises(InputError, match=r"one of sram130, sram45 or a \.toml file, not 'sram'"):
        load_memories("sram")


@pytest.mark.parametrize("name", ["sram45", "sram130"])
def test_every_entry_of_a_shipped_table_is_of_its_node(name):
    """No figure of one node stands in the table of the other."""
    table = load_memories(name)
    assert {entry.node for entry in table.entries.values()} == {table.node}
    text = (resources.files("adqhw.cost.technology") / "memories" / f"{name}.toml").read_text()
    assert len(text.splitlines()) > 6 * len(MEMORY_ENTRIES)  # and its sources in full


def test_memories_of_another_node_are_refused():
    with pytest.raises(InputError, match="45 nm of literature45, not '130 nm' of sram130: no sum"):
        chosen("literature45", memories="sram130")
    with pytest.raises(InputError, match="none of unit, not '45 nm' of sram45"):
        chosen("unit", memories="sram45")


def bits_of(kib: int, word: int = 64) -> Demand:
    return Demand(bits=kib * KIB, word=word)


def read(table: str, kib: int, word: int = 64) -> Band:
    """pJ of a read of one word."""
    return build(load_memories(table), "weights", bits_of(kib, word)).read_pj_bit * word


@pytest.mark.parametrize(("kib", "pj"), [(8, 10.0), (32, 20.0)])
def test_expected_45_reproduces_horowitz(kib, pj):
    assert read("sram45", kib).expected == pytest.approx(pj, rel=0.02)


def test_64_kib_at_45_nm_against_published_figures():
    """CACTI 7 at 0.9 V: 17.3 pJ per 64 bits and 209046 um2; Horowitz between 20 pJ (32 KB) and 100
    pJ (1 MB), by his own root law 28.3; EIE's density over 128 KB: 0.566 um2 per bit."""
    built = build(load_memories("sram45"), "weights", bits_of(64))
    energy, area = built.read_pj_bit * 64, built.area_um2
    assert energy.low < 17.3 < energy.high
    assert energy.expected == pytest.approx(28.3, rel=0.02)
    assert area.low < 209046 < area.high
    assert area.low < 0.566 * 64 * KIB < area.high * 1.0
    assert area.expected == pytest.approx(0.45 * 64 * KIB, rel=0.12)


@pytest.mark.parametrize(
    ("words", "width", "pj", "um2", "nw"),
    [
        (64, 64, 56.80, 50489.13, 49.5),
        (256, 64, 72.56, 93180.53, 198.0),
        (1024, 64, 118.1, 263946.14, 792.1),
        (2048, 64, 156.4, 491633.62, 1584.0),
        (1024, 8, 19.70, 49419.24, 99.01),
        (1024, 16, 33.76, 79673.73, 198.0),
        (512, 32, 47.61, 79719.90, 198.0),
    ],
)
def test_expected_130_reproduces_the_foundry_macros(words, width, pj, um2, nw):
    """IHP's datasheets, corner tc_1d20V_25C."""
    built = build(load_memories("sram130"), "weights", Demand(bits=words * width, word=width))
    assert built.read_pj_bit.expected * width == pytest.approx(pj, rel=0.045)
    assert built.area_um2.expected == pytest.approx(um2, rel=0.04)
    assert built.leakage_uw.expected * 1e3 == pytest.approx(nw, rel=0.01)


def test_64_kib_at_130_nm_against_published_figures():
    """Four macros 2048x64 of IHP, one of them read: 156.4 pJ and what it takes to reach it, 1.967
    mm2; sixteen 4 KB macros of OpenRAM: 6.99 mm2."""
    table = parse_memories(
        'base = "sram130"\nname = "four"\n[memory.weights]\nbanks = 4\n', "four.toml"
    )
    built = build(table, "weights", bits_of(64))
    energy, area = built.read_pj_bit * 64, built.area_um2
    assert 156.4 < energy.expected < 1.25 * 156.4
    assert area.expected == pytest.approx(4 * 491633.62, rel=0.04)
    assert area.high == pytest.approx(16 * 670.86 * 651.14, rel=0.1)
    # OpenRAM's 2 KB macro: 5.13 mW at 5.156 ns and 1.8 V
    small = build(load_memories("sram130"), "weights", Demand(bits=512 * 32, word=32), 1.8)
    assert 32 * small.read_pj_bit.low == pytest.approx(5.13 * 5.156, rel=0.05)


@pytest.mark.parametrize(
    ("name", "um2", "bounds"),
    [("sram45", 256 * 5.98, (0.99, 2.1)), ("sram130", 256 / 0.026619, (0.8, 3.1))],
)
def test_256_bits_of_registers_against_published_areas(name, um2, bounds):
    """Aladdin's 5.98 um2 per bit at 40 nm; DFFRAM's 26,619 and OpenLane's 8,714 bits per mm2."""
    text = f'base = "{name}"\nname = "r"\n[memory.weights]\nkind = "registers"\nwidth = 32\n'
    built = build(parse_memories(text, "r.toml"), "weights", Demand(bits=256, word=32))
    low, high = bounds
    assert low * um2 <= built.area_um2.low <= um2 * 1.001
    assert um2 * 0.999 <= built.area_um2.high <= high * um2
    assert built.write_pj_bit.expected == {"sram45": 0.0089, "sram130": 0.0275}[name]
    assert built.read_pj_bit.expected < built.write_pj_bit.expected


def test_macros_of_the_users_compiler_cover_a_memory_with_the_least_area():
    larger = MACRO.replace("words = 256", "words = 1024").replace(
        "expected = 1000.0", "expected = 1050.0"
    )
    text = derived('[memory.weights]\nkind = "macro"\n' + MACRO + larger)
    table = parse_memories(text, "mine.toml")
    few = build(table, "weights", Demand(bits=200 * 64, word=64))
    assert (few.words, few.banks, few.beside) == (256, 1, 2)
    many = build(table, "weights", Demand(bits=900 * 64, word=64))
    assert (many.words, many.banks, many.beside) == (1024, 1, 2)
    assert many.area_um2.expected == 2 * 1050.0
    wire = table["wire"].expected * math.sqrt(1050.0) * (math.sqrt(2) - 1) / 1e3
    assert many.read_pj_bit.expected == pytest.approx(2 * 3.2 / 64 + wire)
    assert many.leakage_uw.expected == 4.0
    with pytest.raises(InputError, match="must have a macro with 2 ports for activations"):
        build(
            parse_memories(derived('[memory.activations]\nkind = "macro"\n' + MACRO), "x"),
            "activations",
            Demand(bits=64, word=64, ports=2),
        )
