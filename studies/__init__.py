"""Measurements and the pages they write."""
