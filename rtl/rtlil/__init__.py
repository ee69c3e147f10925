"""Amaranth's RTLIL on its way to Verilog: names of wires, memories as modules of their own."""
