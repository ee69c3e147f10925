"""The emitted folder: Verilog, testbench, memory images."""
