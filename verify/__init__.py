"""Proofs by induction and mutation tests of the RTL: `make prove`, `make mutate`."""
