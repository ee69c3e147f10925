"""ONNX files: one reader per dialect (`deeploy`, `qonnx`, `onnxruntime`) on one graph and layout."""
