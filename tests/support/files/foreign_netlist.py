"""A netlist of another flow: two gates and flip-flops of the artificial library."""

import json

from gate_oracle import netlist_json
from placed_library import placed_library

from adqhw.gates.liberty.liberty import Library
from adqhw.gates.netlist.foreign import parse_foreign
from adqhw.gates.netlist.netlist import Netlist


def foreign(flops: int = 1, cells: dict | None = None) -> tuple[Netlist, Library]:
    """q follows !(!(a & b)); the clock comes through a buffer to so many flip-flops."""
    library = placed_library()
    ports = {
        "tick": ("input", [2]), "a": ("input", [3]), "b": ("input", [4]), "q": ("output", [8]),
    }  # fmt: skip
    gates = {
        "nand": ("NAND2", {"A": 3, "B": 4, "Y": 5}),
        "inv": ("INV", {"A": 5, "Y": 6}),
        "root": ("BUF", {"A": 2, "Y": 7}),
        **{f"f{at}": ("DFF", {"CK": 7, "D": 6, "Q": 8 + at}) for at in range(flops)},
    } | (cells or {})
    module = json.loads(netlist_json(ports, gates))["modules"]["top"]
    text = json.dumps({"modules": {"mine": {**module, "attributes": {"top": "1"}}}})
    return parse_foreign(text, library), library
