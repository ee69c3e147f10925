"""Float weights and a few images to a quantized network, without training."""
