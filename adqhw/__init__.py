"""adqhw: learned-codebook CNNs from training to synthesizable, bit-exact RTL."""

__version__ = "0.1.0"
