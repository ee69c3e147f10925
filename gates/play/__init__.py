"""Switching of a netlist under real operands."""
