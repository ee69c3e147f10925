"""Programs as files for other engines: ONNX, QONNX, NumPy. Each computes the program's integers."""

DIGEST_KEY = "adqhw_digest"
"""Metadata entry of every ONNX file that is written: the digest of its program."""
