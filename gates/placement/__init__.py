"""Placement of mapped netlists: positions, wires, repeaters and clock tree, for their energy."""
