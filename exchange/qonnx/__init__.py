"""Dialect `qonnx`: Brevitas and QONNX files, by exact rational arithmetic."""
