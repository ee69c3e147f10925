"""Integer programs from trained networks, and their comparison with the graph."""
