"""Networks as tables of shapes, and systolic arrays."""
