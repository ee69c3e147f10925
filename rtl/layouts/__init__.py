"""Bit layouts of ports, descriptors and memory words."""
