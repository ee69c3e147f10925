"""An artificial library of four cells with round numbers for tests."""

from adqhw.gates.liberty.liberty import Library, parse_liberty

TINY = """
/* own content, round numbers */
library (tiny) {
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, ff);
  nom_voltage : 2.0;
  power_lut_template (by_slew) { variable_1 : input_transition_time; index_1 ("0, 1"); }
  power_lut_template (by_both) {
    variable_1 : input_transition_time; variable_2 : total_output_net_capacitance;
    index_1 ("0, 1"); index_2 ("0, 10");
  }
  lu_table_template (delay) { variable_1 : total_output_net_capacitance; index_1 ("0, 10"); }
  cell (INV) {
    area : 1.0;
    cell_leakage_power : 5.0;
    pin (A) { direction : input; capacitance : 2.0; }
    pin (Y) {
      direction : output; function : "!A";
      internal_power () { related_pin : "A";
        rise_power (by_both) { values ("1, 1", \\
                                       "3, 3"); }
        fall_power (scalar) { values ("0.5"); }
      }
      timing () { related_pin : "A"; timing_sense : negative_unate;
        cell_rise (delay) { values ("0.1, 0.2"); } cell_fall (delay) { values ("0.1, 0.2"); }
        rise_transition (scalar) { values ("0.05"); } fall_transition (scalar) { values ("0.05"); }
      }
    }
  }
  cell (NAND2) {
    area : 2.0;
    leakage_power () { when : "A & B"; value : 8.0; }
    leakage_power () { when : "A' + B'"; value : 4.0; }
    pin (A) { direction : input; capacitance : 3.0;
      internal_power () { when : "!B & Y";  /* the output stays */
        rise_power (by_slew) { values ("0.25, 0.25"); } fall_power (scalar) { values ("0.75"); } }
    }
    pin (B) { direction : input; capacitance : 5.0; }
    pin (Y) {
      direction : output; function : "!(A B)";
      internal_power () { related_pin : "A";
        rise_power (by_both) { values ("2, 4", "2, 4"); }
        fall_power (scalar) { values ("1"); } }
      internal_power () { related_pin : "B";
        rise_power (scalar) { values ("6"); } fall_power (scalar) { values ("3"); } }
      timing () { related_pin : "A B"; timing_sense : negative_unate;
        cell_rise (delay) { values ("0.2, 0.4"); } cell_fall (delay) { values ("0.2, 0.4"); }
        rise_transition (scalar) { values ("0.05"); } fall_transition (scalar) { values ("0.05"); }
      }
    }
  }
  cell (DFF) {
    area : 6.0;
    cell_leakage_power : 10.0;
    ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; clock : true; capacitance : 1.0;
      internal_power () { when : "(D & Q) + (!D & !Q)";
        rise_power (scalar) { values ("2"); } fall_power (scalar) { values ("4"); } }
      internal_power () { when : "D ^ Q";
        rise_power (scalar) { values ("0"); } fall_power (scalar) { values ("7"); } }
    }
    pin (D) { direction : input; capacitance : 1.5;
      internal_power () { when : "CK";
        rise_power (scalar) { values ("0.5"); } fall_power (scalar) { values ("0.25"); } }
      internal_power () { when : "!CK";
        rise_power (scalar) { values ("90"); } fall_power (scalar) { values ("90"); } }
    }
    pin (Q) { direction : output; function : "IQ";
      internal_power () { related_pin : "CK";
        rise_power (scalar) { values ("10"); } fall_power (scalar) { values ("20"); } }
      timing () { related_pin : "CK"; timing_type : rising_edge;
        cell_rise (delay) { values ("0.3, 0.3"); } cell_fall (delay) { values ("0.3, 0.3"); }
        rise_transition (scalar) { values ("0.05"); } fall_transition (scalar) { values ("0.05"); }
      }
    }
  }
  cell (LATCH) { area : 4.0; latch (IQ, IQN) { enable : "G"; data_in : "D"; }
    pin (Q) { direction : output; function : "IQ"; } }
}
"""


def tiny(change: tuple[str, str] | None = None) -> Library:
    """The library, with one piece of its text replaced."""
    text = TINY
    if change is not None:
        assert change[0] in text
        text = text.replace(*change)
    return parse_liberty(text, "tiny.lib")
