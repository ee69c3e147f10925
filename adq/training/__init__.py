"""The training loop: preparation, steps, evaluation, resume."""
