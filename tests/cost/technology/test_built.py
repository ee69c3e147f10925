"""Built memories: every law counted by hand on a table of ones."""

import math

import pytest

from adqhw.cost.technology.built import Demand, build, build_all
from adqhw.cost.technology.entries import ZERO, Band
from adqhw.cost.technology.memory_table import MEMORY_ENTRIES, parse_memories
from adqhw.spec import InputError

ONES = (
    '[memories]\nname = "m"\nnode = "none"\nvoltage = 2.0\nsummary = "ones"\n'
    + "".join(
        f'[entry.{name}]\nvalue = {{ low = 1.0, expected = 1.0, high = 1.0 }}\nunit = "{unit}"\n'
        'source = "s"\nnode = "none"\nnote = "n"\n'
        for name, unit in MEMORY_ENTRIES.items()
    )
    + "[memory.{name}]\n{use}\n"
)


def table(use: str = "", **values: float):
    text = ONES.replace("{name}", "weights").replace("{use}", use)
    for name, value in values.items():
        before, after = text.split(f"[entry.{name}]")
        after = after.replace("low = 1.0, expected = 1.0, high = 1.0",
                              f"low = {value}, expected = {value}, high = {value}", 1)  # fmt: skip
        text = f"{before}[entry.{name}]{after}"
    return parse_memories(text, "ones.toml")


def test_a_word_that_fits_a_macro():
    """16 words of 8 bits: 1 + 8 (1 + 4) pJ per read, 128 + 16 + 8 + 1 um2, no wires."""
    built = build(table(), "weights", Demand(bits=128, word=8))
    assert (built.words, built.width, built.banks, built.beside) == (16, 8, 1, 1)
    assert built.read_pj_bit == built.write_pj_bit == Band.exactly(41 / 8)
    assert built.area_um2 == Band.exactly(153.0)
    assert built.access_ns == Band.exactly(5.0)
    assert built.leakage_uw == Band.exactly(128e-6)
    assert built.standing_pj == ZERO


def test_a_wide_word_lies_in_several_macros_and_banks_share_the_words():
    """64 words of 20 bits, macros of 8 bits, 4 banks: 16 words, 3 beside each other, 12 macros."""
    demand = Demand(bits=64 * 20, word=20)
    built = build(table("width = 8\nbanks = 4", sram_write=2.0), "weights", demand)
    assert (built.words, built.width, built.banks, built.beside) == (16, 8, 4, 3)
    assert built.area_um2.expected == 12 * 153.0
    wire = math.sqrt(153.0) * (math.sqrt(12) - 1) / 1e3
    assert built.read_pj_bit.expected == pytest.approx(3 * 41 / 20 + wire, rel=1e-12)
    assert built.write_pj_bit.expected == pytest.approx(2 * 3 * 41 / 20 + wire, rel=1e-12)
    assert built.leakage_uw.expected == pytest.approx(12 * 128e-6)


def test_ports_and_copies():
    """Each further port adds what the second does."""
    one = table(port_energy=1.5, port_area=2.0)
    built = build(one, "weights", Demand(bits=128, word=8, ports=3, copies=5))
    assert built.read_pj_bit.expected == 2 * 41 / 8
    assert built.area_um2.expected == 5 * 3 * 153.0
    with pytest.raises(InputError, match="must have 2 ports, which the accelerator uses at once"):
        build(table("ports = 1"), "weights", Demand(bits=128, word=8, ports=2))
    assert build(table("ports = 2"), "weights", Demand(bits=128, word=8)).ports == 2


@pytest.mark.parametrize("cell", ["registers", "latches"])
def test_cells(cell):
    """16 rows of 8 bits: a read passes 15 other words; a gate per row and cycle."""
    built = build(table(f'kind = "{cell}"', port_area=3.0), "weights", Demand(bits=128, word=8))
    assert built.read_pj_bit.expected == 15.0
    assert built.write_pj_bit.expected == 1.0
    assert built.standing_pj.expected == 16.0
    assert built.area_um2.expected == 128.0
    read_beside = build(
        table(f'kind = "{cell}"', port_area=3.0), "weights", Demand(bits=128, word=8, ports=2)
    )
    assert read_beside.area_um2.expected == 128.0  # one port writes, the other reads


def test_voltage():
    """Switching with its square, leakage with it, delays as they are."""
    plain = build(table(), "weights", Demand(bits=128, word=8))
    half = build(table(), "weights", Demand(bits=128, word=8), voltage=1.0)
    assert half.read_pj_bit == plain.read_pj_bit * 0.25
    assert half.leakage_uw == plain.leakage_uw * 0.5
    assert (half.area_um2, half.access_ns) == (plain.area_um2, plain.access_ns)


def test_a_memory_without_bits_is_not_built():
    found = build_all(table(), {"weights": Demand(bits=8, word=8), "sums": Demand(bits=0, word=8)})
    assert list(found) == ["weights"]
