"""One layer through the RTL."""
