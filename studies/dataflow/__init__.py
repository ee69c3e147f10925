"""Dataflow: what is held where, from counts of bits moved per multiplication."""
