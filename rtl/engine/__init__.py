"""One layer in hardware: lane array, threshold and requant units, drain."""
