"""Amaranth generators of the lookup-MAC array and its output units; Verilog emission."""
