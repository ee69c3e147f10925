"""Trainer: ADQ quantizers, models, data, training loop, allocation, export to an integer program."""
