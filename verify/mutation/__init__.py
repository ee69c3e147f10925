"""Mutation test: seeded faults in the emitted Verilog against the units' benches."""
