"""Numba simulator: bit-exact integer execution of a program, with activity counts."""
