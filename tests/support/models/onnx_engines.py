"""Exported models as engines: every tensor of the program out of ONNX Runtime and of qonnx."""

import numpy as np

from adqhw.exchange.writers.graph import serialized
from adqhw.spec import Program, Result
from adqhw.spec.program import INPUT


def onnx_session(model, threads=1, optimize=True):
    """An ONNX Runtime session on CPU; without optimization nodes run as they are written."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not optimize:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
    content = model if isinstance(model, bytes) else serialized(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def with_all_tensors(model, program: Program):
    """A copy of `model` that gives every tensor of the program."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    values = {value.name: value for value in copy.graph.value_info}
    outputs = [values[layer.name] for layer in program.layers]
    copy.graph.output.extend(outputs)
    for value in outputs:
        copy.graph.value_info.remove(value)
    return copy


def run_onnx(model, program: Program, images, *, optimize=True) -> Result:
    """Result of ONNX Runtime with every tensor kept, in its own types."""
    session = onnx_session(with_all_tensors(model, program), optimize=optimize)
    names = [output.name for output in session.get_outputs()]
    kind = session.get_inputs()[0].type
    found = dict(zip(names, session.run(None, {INPUT: images.astype(_NUMPY[kind])}), strict=True))
    return _result(program, found, found[names[0]])


def qonnx_wrapper(model):
    """The model in qonnx, with the shapes of all tensors."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    return ModelWrapper(model).transform(InferShapes())


def run_qonnx(model, program: Program, images) -> Result:
    """Result of qonnx, image by image, with every tensor kept."""
    from adqhw.exchange.writers.graph import DOUBLE
    from adqhw.exchange.writers.qonnx import execute

    wrapper = qonnx_wrapper(model)
    wide = model.graph.input[0].type.tensor_type.elem_type == DOUBLE
    values = images.astype(np.float64 if wide else np.float32)
    runs = [execute(wrapper, image[None]) for image in values]
    last = model.graph.output[0].name
    names = [layer.name for layer in program.layers]
    found = {name: np.concatenate([run[name] for run in runs]) for name in [*names, last]}
    return _result(program, found, found[last])


def _result(program, found, logits) -> Result:
    """Integers of every tensor: a value that is none is an error."""
    tensors = {}
    for layer in program.layers:
        values = found[layer.name]
        codes = values.astype(program.tensor_format(layer.name).dtype)
        np.testing.assert_array_equal(codes.astype(np.float64), values.astype(np.float64))
        tensors[layer.name] = codes
    return Result(logits=logits.astype(np.int32), tensors=tensors)


_NUMPY = {
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}
