"""qonnx and ONNX Runtime as oracles: tensors of a network for a batch of inputs."""

from functools import partial

import numpy as np
import onnx


def qonnx(model, values):
    """Every tensor (N, ...) that qonnx makes of inputs (N, ...), one at a time."""
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.util.basic import qonnx_make_model

    # qonnx writes one-node models in the newest IR version of onnx, which ONNX Runtime refuses
    onnx_exec.qonnx_make_model = partial(qonnx_make_model, ir_version=9)
    wrapped = ModelWrapper(model).transform(InferShapes())
    name = wrapped.graph.input[0].name
    runs = [
        onnx_exec.execute_onnx(wrapped, {name: x[None]}, return_full_exec_context=True)
        for x in values
    ]
    return {key: np.concatenate([np.atleast_1d(run[key]) for run in runs]) for key in runs[0]}


def onnxruntime(model, values, wanted=(), signed=False):
    """Tensors of ONNX Runtime's CPU provider at its default level: the output and `wanted`.

    The options are those of the dialect: sums without saturation on processors without VNNI, and
    int8 activations in integer kernels.
    """
    import onnxruntime as ort

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = [x.name for x in copy.graph.output]
    copy.graph.output.extend(onnx.ValueInfoProto(name=x) for x in wanted if x not in known)
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    if signed:
        options.add_session_config_entry("session.qdqisint8allowed", "1")
    else:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [x.name for x in session.get_outputs()]
    feed = {session.get_inputs()[0].name: values}
    return dict(zip(names, session.run(names, feed), strict=True))


def quantized(model, inputs, folder, *, signed=False, per_channel=True, operators=False):
    """The network quantized by onnxruntime.quantization, calibrated on `inputs` (N, ...)."""
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([{"x": x[None]} for x in inputs])

        def get_next(self):
            return next(self.batches, None)

    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(model, source)
    q.quantize_static(
        source, target, Reader(), per_channel=per_channel, weight_type=q.QuantType.QInt8,
        activation_type=q.QuantType.QInt8 if signed else q.QuantType.QUInt8,
        quant_format=q.QuantFormat.QOperator if operators else q.QuantFormat.QDQ,
    )  # fmt: skip
    return onnx.load(target)
