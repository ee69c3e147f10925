"""The whole network in hardware: memories, walkers, sequencer."""
