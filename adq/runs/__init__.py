"""Folder and checkpoints of a training run."""
