"""From a user's PyTorch module to a network of ours: tracing, fusing, lowering to nodes."""
