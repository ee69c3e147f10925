"""Proofs of the RTL by induction: `make prove` runs all, pytest a few."""
