"""Cycles, area and energy of a layer or network on an array."""
