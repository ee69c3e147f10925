"""From an integer program to descriptors and memory images of one array."""
