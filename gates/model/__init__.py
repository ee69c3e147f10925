"""Models fitted to gates: characterization files and estimates."""
