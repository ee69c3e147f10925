"""Counts of events of a layer."""
