"""The artificial library with a buffer, a LEF of its cells and wires of round numbers."""

from pathlib import Path

from gate_oracle import netlist_json
from tiny_liberty import TINY

from adqhw.gates.liberty.liberty import Library, parse_liberty
from adqhw.gates.netlist.netlist import Netlist, parse_netlist

BUF = """
  cell (BUF) {
    area : 2.0;
    cell_leakage_power : 4.0;
    pin (A) { direction : input; capacitance : 1.0; }
    pin (Y) {
      direction : output; function : "A"; max_capacitance : 40;
      internal_power () { related_pin : "A";
        rise_power (by_both) { values ("1, 2", "1, 2"); }
        fall_power (scalar) { values ("3"); }
      }
      timing () { related_pin : "A"; timing_sense : positive_unate;
        cell_rise (delay) { values ("0.1, 0.2"); } cell_fall (delay) { values ("0.1, 0.2"); }
        rise_transition (delay) { values ("0.05, 0.15"); }
        fall_transition (scalar) { values ("0.05"); }
      }
    }
  }
  cell (LATCH)"""
"""At a slew of 0.25 ns it drives 20 fF: 0.05 + 0.01 per fF."""

LEF = """
VERSION 5.8 ;
MACRO INV
  CLASS CORE ; ORIGIN 0 0 ; SIZE 1 BY 2 ; SYMMETRY X Y ;
  PIN A DIRECTION INPUT ; PORT LAYER m1 ; RECT 0.1 0.4 0.3 0.6 ; END END A
  PIN Y DIRECTION OUTPUT ; PORT LAYER m1 ; RECT 0.7 1.4 0.9 1.6 ; END END Y
END INV
MACRO NAND2
  CLASS CORE ; ORIGIN 0 0 ; SIZE 2 BY 2 ; SYMMETRY X Y ;
  PIN A DIRECTION INPUT ; PORT LAYER m1 ; RECT 0 0 1 1 ; END END A
  PIN B DIRECTION INPUT ; PORT LAYER m1 ; RECT 1 0 2 1 ; END END B
  PIN Y DIRECTION OUTPUT ; PORT LAYER m1 ; RECT 0 1 0.2 1.2 ; RECT 1 1 2 2 ; END END Y
END NAND2
MACRO DFF
  CLASS CORE ; ORIGIN 0 0 ; SIZE 4 BY 2 ; SYMMETRY X Y ;
  PIN CK DIRECTION INPUT ; PORT LAYER m1 ; RECT 0 0 1 1 ; END END CK
  PIN D DIRECTION INPUT ; PORT LAYER m1 ; RECT 1 0 2 1 ; END END D
  PIN Q DIRECTION OUTPUT ; PORT LAYER m1 ; RECT 3 0 4 1 ; END END Q
END DFF
END LIBRARY
"""
RC = """
signal = ["m2", "m3"]
clock = ["m3"]
[layers.m2]
ohm_per_um = 2
ff_per_um = 0.1
[layers.m3]
ohm_per_um = 1
ff_per_um = 0.3
"""


def placed_library() -> Library:
    """TINY with BUF."""
    return parse_liberty(TINY.replace("  cell (LATCH)", BUF, 1), "tiny.lib")


def written(folder: Path) -> tuple[Path, Path]:
    """The LEF and the wires as files."""
    lef, rc = folder / "cells.lef", folder / "rc.toml"
    lef.write_text(LEF, encoding="utf-8")
    rc.write_text(RC, encoding="utf-8")
    return lef, rc


def chain(library: Library, length: int) -> Netlist:
    """A shift register with an inverter before every flip-flop."""
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "q": ("output", [3 + 2 * length])}
    cells = {}
    for at in range(length):
        cells[f"inv{at}"] = ("INV", {"A": 3 + 2 * at, "Y": 4 + 2 * at})
        cells[f"ff{at}"] = ("DFF", {"CK": 2, "D": 4 + 2 * at, "Q": 5 + 2 * at})
    return parse_netlist(netlist_json(ports, cells), "top", library)
