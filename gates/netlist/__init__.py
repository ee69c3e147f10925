"""Mapped netlists: cells, arcs, timing."""
