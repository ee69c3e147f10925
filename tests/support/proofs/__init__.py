"""Proofs of the RTL by induction: `python -m proofs` (`make prove`) runs all, pytest a few."""
