"""Events times technology: energy, area, roofline."""
