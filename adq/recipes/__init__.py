"""Configurations: fields with ranges, and the named functions that return a whole run."""
