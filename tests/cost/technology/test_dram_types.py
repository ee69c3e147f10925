"""DRAM types: complete or refused, and the same times as the accelerator's memory model."""

import re

import pytest

from adqhw.cost.technology.choice import chosen
from adqhw.cost.technology.dram_types import available_drams, load_dram, parse_dram
from adqhw.rtl.arch.external import External
from adqhw.rtl.timing.dram import DramModel
from adqhw.spec import InputError

GOOD = """[dram]
name = "d"
summary = "s"
pj_per_bit = { low = 1.0, expected = 2.0, high = 3.0 }
pj_source = "p"
bandwidth_gbytes_s = 1.0
bandwidth_source = "b"
column_ns = 10.0
row_ns = 20.0
row_bytes = 1024
timing_source = "t"
controller_ns = 5.0
controller_source = "c"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("row_ns = 20.0\n", ""), "must have 'row_ns': nothing defaults"),
        (GOOD + "refresh = 1\n", "unknown"),
        (GOOD.replace("row_bytes = 1024", "row_bytes = 1000"), "power of two up to"),
        (GOOD.replace("column_ns = 10.0", "column_ns = 0"), "positive finite number, not 0"),
        (GOOD.replace('pj_source = "p"', 'pj_source = ""'), "pj_source must be a non-empty text"),
        (GOOD.replace("low = 1.0", "low = 9.0"), "low <= expected <= high"),
        (GOOD.replace('name = "d"', 'name = "../d"'), "name must be letters"),
        ("dram = 1", "must be a table"),
    ],
)
def test_a_bad_type_is_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse_dram(text, "bad.toml")
    assert "\n" not in str(caught.value)
    assert "bad.toml" in str(caught.value)


def test_names():
    assert available_drams() == ["ddr4", "hbm2", "lpddr4"]
    with pytest.raises(InputError, match="one of ddr4, hbm2, lpddr4 or a"):
        load_dram("ddr9")


def test_a_model_at_a_clock_rounds_every_time_up():
    """1 GB/s is 8 bits per ns: 40 bits per cycle of 200 MHz, so a beat of 64 bits takes 2."""
    dram = parse_dram(GOOD, "good.toml")
    assert dram.bits_per_cycle(200.0) == 40.0
    wanted = DramModel(latency=3, beat_cycles=2, row_bytes=1024, row_miss=4)
    assert dram.model(200.0, External()) == wanted
    assert dram.model(201.0, External()).latency == 4
    assert dram.model(200.0, External(bus_width=32)).beat_cycles == 1
    with pytest.raises(InputError, match="beat_cycles of at most 8 cycles, not 10 at 1200 MHz"):
        dram.model(1200.0, External())


@pytest.mark.parametrize("name", ["ddr4", "hbm2", "lpddr4"])
@pytest.mark.parametrize("clock", [50.0, 200.0, 1000.0])
def test_shipped_types_are_models_of_the_accelerator(name, clock):
    dram = load_dram(name)
    model = dram.model(clock, External(bus_width=256))
    assert model.latency >= (dram.column_ns + dram.controller_ns) * clock / 1e3
    assert 256 / model.beat_cycles <= max(256, dram.bits_per_cycle(clock)) + 1e-9
    assert model.beat_cycles == 1 or 256 / model.beat_cycles <= dram.bits_per_cycle(clock)
    assert (model.row_bytes, model.row_miss) == (dram.row_bytes, -(-dram.row_ns * clock // 1e3))


def test_a_type_replaces_the_price_of_dram_and_nothing_else():
    plain, with_type = chosen("literature45"), chosen("literature45", dram="hbm2")
    assert with_type["dram"] == load_dram("hbm2").pj_per_bit
    others = set(plain.entries) - {"dram"}
    assert all(with_type.entries[name] == plain.entries[name] for name in others)
    assert with_type.name == "literature45+hbm2"
    with pytest.raises(InputError, match="not with counts of events as 'unit' has"):
        chosen("unit", dram="hbm2")


def test_the_supply_of_the_chip_does_not_scale_dram():
    low = chosen("literature45", dram="ddr4", voltage=0.45)
    assert low["dram"] == load_dram("ddr4").pj_per_bit
    assert low["add"] == chosen("literature45")["add"] * 0.25
    assert low["add_area"] == chosen("literature45")["add_area"]
    with pytest.raises(InputError, match="'unit' must say its voltage in its head"):
        chosen("unit", voltage=1.0)
