"""An artificial library with two sizes of every gate: straight lines, so that times can be added.

Delays and transition times are a constant and so many ns per fF. What stands for what is not to be
seen in the names.
"""

from tiny_liberty import TINY

from adqhw.gates.liberty.liberty import Library, parse_liberty

END = 100
"""fF, where tables end."""
HEAD = TINY[: TINY.index("  cell (INV)")].replace(
    'lu_table_template (delay) { variable_1 : total_output_net_capacitance; index_1 ("0, 10"); }',
    'lu_table_template (delay) { variable_1 : total_output_net_capacitance; index_1 ("0, 100"); }',
)
GATE = """
  cell ({name}) {{
    area : {area};
    cell_leakage_power : 1.0;
    {inputs}
    pin (Y) {{
      direction : output; function : "{function}"; max_capacitance : {most}; {limits}
      internal_power () {{ related_pin : "{related}";
        rise_power (scalar) {{ values ("1"); }} fall_power (scalar) {{ values ("1"); }} }}
      timing () {{ related_pin : "{related}"; timing_sense : {sense};
        cell_rise (delay) {{ values ("{delay}"); }} cell_fall (delay) {{ values ("{delay}"); }}
        rise_transition (delay) {{ values ("{slew}"); }}
        fall_transition (delay) {{ values ("{slew}"); }}
      }}
    }}
  }}
"""
REGISTER = """
  cell ({name}) {{
    area : {area};
    cell_leakage_power : 10.0;
    ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; }}
    pin (CK) {{ direction : input; clock : true; capacitance : 1.0;
      internal_power () {{
        rise_power (scalar) {{ values ("2"); }} fall_power (scalar) {{ values ("4"); }} }}
    }}
    pin (D) {{ direction : input; capacitance : 1.0;
      timing () {{ related_pin : "CK"; timing_type : setup_rising;
        rise_constraint (scalar) {{ values ("0.1"); }}
        fall_constraint (scalar) {{ values ("0.1"); }}
      }}
    }}
    pin (Q) {{ direction : output; function : "IQ"; max_capacitance : 1000;
      internal_power () {{ related_pin : "CK";
        rise_power (scalar) {{ values ("10"); }} fall_power (scalar) {{ values ("20"); }} }}
      timing () {{ related_pin : "CK"; timing_type : rising_edge;
        cell_rise (delay) {{ values ("{delay}"); }} cell_fall (delay) {{ values ("{delay}"); }}
        rise_transition (delay) {{ values ("0.05, 0.15"); }}
        fall_transition (delay) {{ values ("0.05, 0.15"); }}
      }}
    }}
  }}
"""


def line(start: float, slope: float) -> str:
    """The two values of a table."""
    return f"{start:g}, {start + END * slope:g}"


def gate(
    name: str, function: str, ff: float, slope: float, area: float, most: float = 1000.0,
    limits: str = "",
) -> str:  # fmt: skip
    """Delay 0.1 ns and transition 0.05 ns, `slope` ns per fF more of both."""
    pins = [pin for pin in "AB" if pin in function]
    inputs = " ".join(f"pin ({p}) {{ direction : input; capacitance : {ff}; }}" for p in pins)
    return GATE.format(
        name=name, function=function, inputs=inputs, area=area, most=most, limits=limits,
        related=" ".join(pins), delay=line(0.1, slope), slew=line(0.05, slope),
        sense="negative_unate" if "!" in function else "positive_unate",
    )  # fmt: skip


CELLS = "".join([
    gate("INV", "!A", 2, 0.01, 1),
    gate("ALPHA", "A'", 4, 0.0025, 3),
    gate("NAND", "!(A & B)", 2, 0.01, 2),
    gate("BETA", "A' + B'", 6, 0.0025, 5),
    gate("NOR", "!(A + B)", 2, 0.01, 2),
    gate("BUF", "A", 1, 0.01, 2, most=40),
    gate("GAMMA", "A", 2, 0.002, 4, most=200),
    REGISTER.format(name="DFF", area=6, delay=line(0.2, 0.01)),
    REGISTER.format(name="DELTA", area=9, delay=line(0.2, 0.002)),
])  # fmt: skip
"""Each second one is the stronger of a pair; NOR is alone."""


def drive_library(more: str = "") -> Library:
    """The cells above and more of them."""
    return parse_liberty(HEAD + CELLS + more + "}\n", "drives.lib")
