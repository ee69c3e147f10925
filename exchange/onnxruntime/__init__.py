"""Dialect `onnxruntime`: QDQ and QOperator files, with the bits of ONNX Runtime's CPU provider."""
