"""Cards of the programs that the project ships."""
