"""Entropy coding of weight codes: what it saves and what decoding costs."""
