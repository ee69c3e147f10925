"""From float parameters to the integers of the contract, and the trainer's own integer engine."""
