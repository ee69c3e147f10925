"""Small ONNX networks of our own, for the importers: written node by node, random constants."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


class Net:
    """An ONNX graph being written; each method gives the name of the tensor that it makes."""

    def __init__(self, seed=0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def const(self, value, kind=None) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(value, kind)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind, inputs, domain="", outputs=1, **fields):
        names = [f"t{len(self.nodes)}" + (f".{i}" if i else "") for i in range(outputs)]
        node = helper.make_node(
            kind, inputs, names, name=f"{kind}_{len(self.nodes)}", domain=domain, **fields
        )
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def model(self, shape, output, opset=17, batch=1, element=TensorProto.FLOAT):
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info("x", element, [batch, *shape])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", opset)]
        domains = {node.domain for node in self.nodes} - {""}
        opsets += [helper.make_opsetid(domain, 1) for domain in sorted(domains)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    # -- float layers ----------------------------------------------------------------------------

    def weights(self, *shape):
        fan = np.prod(shape[1:])
        spread = self.rng.uniform(0.5, 2, (shape[0], *(1,) * (len(shape) - 1)))
        return (self.rng.normal(0, 1, shape) / np.sqrt(fan) * spread).astype(np.float32)

    def conv(self, x, cin, cout, k=3, bias=True, groups=1, **fields):
        kernel = [k, k] if isinstance(k, int) else list(k)
        inputs = [x, self.const(self.weights(cout, cin // groups, *kernel))]
        if bias:
            inputs.append(self.const(self.rng.normal(0, 0.3, cout)))
        if "auto_pad" not in fields:
            fields.setdefault("pads", [s // 2 for s in kernel] * 2)
        return self.op("Conv", inputs, kernel_shape=kernel, group=groups, **fields)

    def gemm(self, x, cin, cout):
        inputs = [x, self.const(self.weights(cout, cin)), self.const(self.rng.normal(0, 0.3, cout))]
        return self.op("Gemm", inputs, transB=1)

    # -- QONNX -----------------------------------------------------------------------------------

    def quant(self, x, scale, bits, signed=1, narrow=0, zero=0.0, mode="ROUND"):
        inputs = [x, self.const(scale), self.const(zero), self.const(float(bits))]
        return self.op("Quant", inputs, QONNX, signed=signed, narrow=narrow, rounding_mode=mode)

    def quant_weights(self, *shape, bits=4, per_channel=True):
        values = self.weights(*shape)
        axes = tuple(range(1, len(shape)))
        most = np.abs(values).max(axis=axes if per_channel else None, keepdims=per_channel)
        scale = (most / (2 ** (bits - 1) - 1)).astype(np.float32)
        return self.quant(self.const(values), scale, bits, narrow=1)

    def quant_conv(self, x, cin, cout, k=3, bits=4, groups=1, per_channel=True, **fields):
        w = self.quant_weights(cout, cin // groups, k, k, bits=bits, per_channel=per_channel)
        fields.setdefault("pads", [k // 2] * 4)
        return self.op("Conv", [x, w], kernel_shape=[k, k], group=groups, **fields)

    def quant_matmul(self, x, cin, cout, bits=4):
        w = self.op("Transpose", [self.quant_weights(cout, cin, bits=bits)], perm=[1, 0])
        return self.op("MatMul", [x, w])

    def batch_norm(self, x, channels, spread=1.0, negative=False):
        gamma = self.rng.uniform(0.5, 1.5, channels)
        if negative:
            gamma = gamma * self.rng.choice([-1, 1], channels)
        rows = (
            gamma, self.rng.normal(0, 0.3, channels), self.rng.normal(0, 0.3, channels),
            self.rng.uniform(0.3, 2, channels) * spread,
        )  # fmt: skip
        return self.op("BatchNormalization", [x, *map(self.const, rows)], epsilon=1e-5)


# -- QONNX networks: each gives (net, output, shape of an input) ---------------------------------


def mlp(net):
    """A jet-tagging network: Gemm with quantized bias, BatchNorm, ReLU, 6 bits."""
    x = net.quant("x", 0.11, 8, narrow=1)
    for cin, cout in ((16, 64), (64, 32), (32, 32)):
        w = net.quant_weights(cout, cin, bits=6)
        bias = net.quant(net.const(net.rng.normal(0, 0.3, cout)), 0.01, 8)
        x = net.op("Gemm", [x, w, bias], transB=1)
        x = net.op("Relu", [net.batch_norm(x, cout, negative=True)])
        x = net.quant(x, net.rng.uniform(0.05, 0.1), 6, signed=0)
    return net.quant_matmul(x, 32, 5, bits=6), (16,)


def cnv(net):
    """Conv without padding, BatchNorm, bipolar activations and weights, MaxPool; scaled input."""
    x = net.op("Sub", [net.op("Mul", ["x", net.const(2.0)]), net.const(1.0)])
    x = net.quant(x, 1 / 128, 8)
    for cin, cout, pool in ((3, 8, False), (8, 8, True), (8, 16, False)):
        w = net.const(net.weights(cout, cin, 3, 3))
        w = net.op("BipolarQuant", [w, net.const(1.0)], QONNX)
        x = net.op("Conv", [x, w], kernel_shape=[3, 3], pads=[0] * 4)
        x = net.batch_norm(x, cout, spread=30.0, negative=True)
        x = net.op("BipolarQuant", [x, net.const(0.7)], QONNX)
        if pool:
            x = net.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Reshape", [x, net.const([1, -1], np.int64)])
    x = net.quant_matmul(x, 64, 10, bits=2)
    x = net.op("Div", [net.op("Sub", [x, net.const(1.3)]), net.const(18.6)])
    return net.op("Add", [net.op("Mul", [x, net.const(0.8)]), net.const(-1.2)]), (3, 12, 12)


def mobile(net):
    """Depthwise and pointwise, scales per channel, average pool and Trunc, 4 bits."""
    x = net.quant("x", 0.02, 8)
    x = net.quant_conv(x, 3, 8, bits=8, strides=[2, 2])
    x = net.quant(net.op("Relu", [net.batch_norm(x, 8)]), 0.13, 4, signed=0)
    for cin, cout in ((8, 16), (16, 16)):
        x = net.quant_conv(x, cin, cin, groups=cin)
        x = net.quant(net.op("Relu", [net.batch_norm(x, cin)]), 0.11, 4, signed=0)
        x = net.quant_conv(x, cin, cout, k=1)
        x = net.quant(net.op("Relu", [net.batch_norm(x, cout)]), 0.12, 4, signed=0)
    x = net.op("AveragePool", [x], kernel_shape=[4, 4], strides=[4, 4])
    x = net.op("Mul", [x, net.const(16.0)])
    inputs = [x, *map(net.const, (np.float32(0.12), 0.0, 8.0, 4.0))]
    x = net.op("Trunc", inputs, QONNX, rounding_mode="FLOOR")
    x = net.op("Reshape", [x, net.const([0, -1], np.int64)])
    return net.quant_matmul(x, 64, 10, bits=4), (3, 16, 16)


def residual(net, scale=0.0625):
    """Branches of one scale, added and halved: every second sum lies between two codes."""
    x = net.quant("x", 0.05, 8)
    x = net.quant(net.op("Relu", [net.quant_conv(x, 3, 8)]), scale, 4, signed=0)
    for _ in range(2):
        y = net.quant(net.op("Relu", [net.quant_conv(x, 8, 8)]), 0.06, 4, signed=0)
        y = net.quant(net.batch_norm(net.quant_conv(y, 8, 8), 8), scale, 5)
        scale = 2 * scale
        x = net.quant(net.op("Relu", [net.op("Add", [y, x])]), scale, 4, signed=0)
    x = net.op("GlobalAveragePool", [x])
    x = net.quant(net.op("Flatten", [x]), 0.07, 8, signed=0)
    return net.quant_matmul(x, 8, 10), (3, 8, 8)


def unlike(net):
    """An addition of scales without a ratio, quantized to 8 bits; MaxPool before BatchNorm."""
    x = net.quant("x", 0.05, 8)
    x = net.quant_conv(x, 3, 8)
    x = net.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.quant(net.op("Relu", [net.batch_norm(x, 8, negative=True)]), 0.031, 6, signed=0)
    y = net.quant(net.quant_conv(x, 8, 8), 0.0277, 8)
    x = net.quant(net.op("Add", [x, y]), 0.0413, 8)
    x = net.op("Transpose", [x], perm=[0, 2, 3, 1])
    x = net.op("Reshape", [x, net.const([1, -1], np.int64)])
    return net.quant_matmul(x, 128, 4), (3, 8, 8)


def thresholds(net):
    """Integer weights and MultiThreshold with scale and bias, as FINN makes them."""
    x = net.quant("x", 1.0, 4)
    w = net.const(net.rng.integers(-3, 4, (6, 12)).astype(np.float32))
    x = net.op("MatMul", [x, net.op("Transpose", [w], perm=[1, 0])])
    tau = np.sort(net.rng.integers(-40, 40, (6, 7)), axis=1).astype(np.float32)
    x = net.op(
        "MultiThreshold", [x, net.const(tau)], QONNX, out_dtype="INT4", out_scale=1.0,
        out_bias=-4.0,
    )  # fmt: skip
    w = net.const(net.rng.integers(-1, 2, (6, 5)).astype(np.float32))
    return net.op("MatMul", [x, w]), (12,)


QONNX_NETS = {f.__name__: f for f in (mlp, cnv, mobile, residual, unlike, thresholds)}


# -- float networks for onnxruntime.quantization: inputs (3, 16, 16), except nhwc's ---------------


def resnet(net):
    x = net.op("Relu", [net.conv("x", 3, 8)])
    for cin, cout, stride in ((8, 8, 1), (8, 16, 2)):
        y = net.op("Relu", [net.conv(x, cin, cout, strides=[stride] * 2)])
        y = net.conv(y, cout, cout)
        same = cin == cout
        short = x if same else net.conv(x, cin, cout, k=1, strides=[stride] * 2)
        x = net.op("Relu", [net.op("Add", [y, short])])
    x = net.op("GlobalAveragePool", [x])
    return net.gemm(net.op("Flatten", [x]), 16, 10)


def mobilenet(net):
    limits = [net.const(np.float32(0)), net.const(np.float32(6))]
    x = net.op("Clip", [net.conv("x", 3, 8, strides=[2, 2]), *limits])
    for cin, cout, stride in ((8, 8, 1), (8, 16, 2)):
        wide = 4 * cin
        y = net.op("Clip", [net.conv(x, cin, wide, k=1), *limits])
        y = net.conv(y, wide, wide, groups=wide, strides=[stride] * 2)
        y = net.conv(net.op("Clip", [y, *limits]), wide, cout, k=1)
        x = net.op("Add", [x, y]) if cin == cout else y
    x = net.op("GlobalAveragePool", [x])
    return net.op("Softmax", [net.gemm(net.op("Flatten", [x]), 16, 10)])


def vgg(net):
    x = net.op("Relu", [net.conv("x", 3, 8)])
    x = net.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Relu", [net.conv(x, 8, 12)])
    x = net.op("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    x = net.op("Relu", [net.gemm(net.op("Flatten", [x]), 192, 24)])
    x = net.op("MatMul", [x, net.const(net.weights(10, 24).T)])
    return net.op("Add", [x, net.const(net.rng.normal(0, 0.3, 10))])


def branches(net):
    """Concat of three scales, nearest upsampling, dilation, SAME padding, average pool, leaky."""
    x = net.op("Relu", [net.conv("x", 3, 8)])
    x = net.op("Concat", [net.op("Relu", [net.conv(x, 8, 8)]), net.conv(x, 8, 4, k=1), x], axis=1)
    x = net.conv(x, 20, 8, auto_pad="SAME_UPPER", strides=[2, 2])
    twice = net.const(np.array([1, 1, 2, 2], np.float32))
    x = net.op(
        "Resize", [x, "", twice], mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    x = net.conv(x, 8, 8, k=(3, 5), groups=8, dilations=[2, 1], pads=[2, 2, 2, 2])
    x = net.op("LeakyRelu", [x], alpha=0.1)
    x = net.op("AveragePool", [x], kernel_shape=[3, 3], strides=[3, 3])
    return net.gemm(net.op("Flatten", [x]), 200, 10)


def option_a(net):
    """A shortcut of every second pixel with channels of zero around."""
    x = net.op("Relu", [net.conv("x", 3, 8)])
    y = net.conv(net.op("Relu", [net.conv(x, 8, 16, strides=[2, 2])]), 16, 16)
    numbers = ([0, 0], [1 << 30] * 2, [2, 3], [2, 2])
    s = net.op("Slice", [x, *(net.const(n, np.int64) for n in numbers)])
    s = net.op("Pad", [s, net.const([0, 4, 0, 0, 0, 4, 0, 0], np.int64)])
    x = net.op("Relu", [net.op("Add", [y, s])])
    return net.gemm(net.op("Flatten", [net.op("GlobalAveragePool", [x])]), 16, 10)


def nhwc(net):
    """As TensorFlow's files: channels last outside, turned for the layers."""
    x = net.op("Transpose", ["x"], perm=[0, 3, 1, 2])
    x = net.op("Relu", [net.conv(x, 3, 8, strides=[2, 2])])
    x = net.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Transpose", [x], perm=[0, 2, 3, 1])
    return net.gemm(net.op("Reshape", [x, net.const([-1, 128], np.int64)]), 128, 10)


FLOAT_NETS = {f.__name__: f for f in (resnet, mobilenet, vgg, branches, option_a, nhwc)}


# -- integer networks as Deeploy's ---------------------------------------------------------------


def deeploy(net):
    """Conv, signed and unsigned RequantShift, Add, MaxPool, average, Concat, Pad, Gemm."""

    def requant(x, channels, signed, div=256.0, rank=4):
        shape = (channels, 1, 1) if rank == 4 else (channels,)
        mul = net.const(net.rng.integers(3, 40, shape).astype(np.float32))
        add = net.const(net.rng.integers(-500, 500, shape).astype(np.float32))
        fields = {
            "div": numpy_helper.from_array(np.array(div, np.float32)),
            "n_levels_out": numpy_helper.from_array(np.array([256.0], np.float32)),
            "signed": numpy_helper.from_array(np.array([float(signed)], np.float32)),
        }
        return net.op("RequantShift", [x, mul, add], **fields)

    def levels(*shape):
        return net.const(net.rng.integers(-30, 31, shape).astype(np.float32))

    def one(x, div=2.0):
        fields = {
            "div": numpy_helper.from_array(np.array(div, np.float32)),
            "n_levels_out": numpy_helper.from_array(np.array([256.0], np.float32)),
            "signed": numpy_helper.from_array(np.array([1.0], np.float32)),
        }
        return net.op("RequantShift", [x, net.const(3.0), net.const(1.0)], **fields)

    x = net.op("Pad", ["x", net.const([0, 0, 1, 0, 0, 0, 1, 2], np.int64)])
    x = net.op("Conv", [x, levels(8, 3, 3, 3)], strides=[2, 1])
    x = requant(x, 8, True, 4096.0)
    y = net.op("Conv", [x, levels(8, 1, 3, 3)], pads=[1] * 4, group=8)
    y = requant(y, 8, True, 1024.0)
    x = one(net.op("Add", [y, x]))
    x = net.op(
        "Concat", [x, net.op("MaxPool", [y], kernel_shape=[3, 1], pads=[1, 0, 1, 0])], axis=1
    )
    x = requant(net.op("Conv", [x, levels(6, 16, 1, 1)]), 6, False, 2048.0)
    x = net.op("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = requant(x, 6, False, 32.0)
    x = net.op("Flatten", [x])
    return net.op("Gemm", [x, levels(5, 60), levels(5)], transB=1), (3, 8, 10)
