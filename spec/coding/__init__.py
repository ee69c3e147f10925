"""Programs as bytes: packed codes, descriptors of layers, the program file."""
