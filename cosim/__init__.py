"""Co-simulation of the emitted Verilog in Verilator and Icarus, compared with golden."""
