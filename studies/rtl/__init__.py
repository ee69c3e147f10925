"""Synthesis, layer shapes, the cost of Python in co-simulation."""
