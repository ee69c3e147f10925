"""Programs as files for other engines: ONNX, QONNX, NumPy. Each computes the program's integers."""
