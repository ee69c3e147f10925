"""Output stage of arrays that hold weights: chunks of several sums per cycle."""
