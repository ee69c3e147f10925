"""Plain models of the hardware's own order of summation."""
