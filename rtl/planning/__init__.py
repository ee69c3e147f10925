"""From an integer program to descriptors and memory images of an array that holds weights."""
