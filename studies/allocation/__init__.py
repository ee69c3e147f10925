"""Allocations side by side."""
