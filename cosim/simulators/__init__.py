"""Verilator and Icarus: finding, building, the benches that run inside."""
