"""A whole network through the RTL."""
