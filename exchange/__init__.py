"""Programs of others: importers and exporters of ONNX, QONNX and TFLite files."""
