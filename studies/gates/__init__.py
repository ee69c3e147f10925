"""Errors of the gate model, glitches, OpenSTA beside it."""
