"""Quantizers of weights, activations and the residual stream: pure functions and thin modules."""
