"""ONNX files: a reader per dialect (`deeploy`, `qonnx`, `onnxruntime`) on one graph."""
