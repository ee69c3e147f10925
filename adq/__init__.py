"""Trainer: ADQ quantizers, models, data, training loop, allocation, export to integers."""

import os

# Torch's OpenMP threads spin while they wait. On a machine shared with other work that costs far
# more than sleeping: 2.7 s against 0.35 s per step of ResNet-20 beside two busy processes. Read
# once, when torch is loaded, so it is set here, before any module of this room can load it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Matrix products on a GPU are bit-reproducible only with a fixed workspace (cuBLAS documentation);
# torch refuses them otherwise in its deterministic mode, which training uses.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
