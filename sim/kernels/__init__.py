"""Numba kernels: sources in LLVM and plain Python, vector and portable."""
