"""What `adqhw estimate` does with programs, topologies and gates."""
