"""Trainer: ADQ quantizers, models, data, training loop, allocation, export to a program."""

import os

# Idle threads of torch's OpenMP pool spin for about a millisecond by default, on the very cores
# that the quantizers' own threads then need (`kernels.py`): with it a training step of ResNet-20
# takes 170 ms instead of 250. Read once, when torch loads; a value set by the user wins.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
