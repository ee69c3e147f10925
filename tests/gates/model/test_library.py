"""Libraries and technologies: what is summed is of one node."""

from importlib import resources
from pathlib import Path

import pytest

from adqhw.cost.technology.technology import load
from adqhw.gates.model.fit import PLACED
from adqhw.gates.model.library import GateLibrary, read_all
from adqhw.spec import InputError

TABLES = [load("literature45"), load("scaled130")]


def shipped() -> dict[str, GateLibrary]:
    folder = resources.files("adqhw.gates") / "tech"
    return read_all(sorted(Path(str(f)) for f in folder.iterdir() if f.name.endswith(".toml")))


def test_each_shipped_library_takes_the_technology_of_its_node():
    libraries = shipped()
    found = {library.name: library.of_node(TABLES).name for library in libraries.values()}
    assert sorted(found.values()) == ["literature45", "literature45", "scaled130", "scaled130"]
    for name in found:
        assert found[name.removesuffix(PLACED)] == found[name]  # placed or not, the node's
    for library in libraries.values():
        other = next(table for table in TABLES if table.node != library.node)
        with pytest.raises(InputError, match=r"Technology must be of the node of library .*, not"):
            library.of_node([other])
        assert library.of_node([load("unit")]).name == "unit"  # counts are of no node


def test_a_library_whose_node_no_file_says_takes_the_first():
    assert GateLibrary(name="own").of_node(TABLES) is TABLES[0]
