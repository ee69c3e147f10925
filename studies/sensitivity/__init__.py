"""Sensitivity of a verdict: the ratio of two designs, one assumption changed at a time."""
