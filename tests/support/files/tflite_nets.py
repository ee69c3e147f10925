"""Random networks as TFLite files: every operator that the importer draws."""

import numpy as np
from tflite_files import Net


def grow(net, t, rng):
    """One more operator on the map `t`."""
    _, height, width, channels = net.shape(t)
    activation, per_channel = int(rng.choice([0, 0, 1, 3])), bool(rng.integers(2))
    small = (int(rng.integers(1, min(4, height) + 1)), int(rng.integers(1, min(4, width) + 1)))
    strides, padding = (int(rng.integers(1, 3)), int(rng.integers(1, 3))), int(rng.integers(2))
    window = (min(2, height), min(3, width))
    match rng.choice(["conv", "depthwise", "add", "max", "average", "pad", "concat", "other"]):
        case "conv":
            out = int(rng.integers(1, 7))
            return net.conv(t, out, small, strides, padding, activation, per_channel)
        case "depthwise":
            times, stride = (int(rng.integers(1, 3)) if channels < 6 else 1), strides[0]
            return net.depthwise(
                t, times, small, (stride, stride), padding, activation, per_channel
            )
        case "add":
            return net.add(t, net.conv(t, channels, (1, 1), per_channel=per_channel), activation)
        case "max":
            return net.pool("MAX_POOL_2D", t, window, strides, padding, activation)
        case "average":
            return net.pool("AVERAGE_POOL_2D", t, window, strides, 1, activation)
        case "pad":
            return net.conv(net.pad(t, 1, 0, 2, 1), 2, (2, 2), padding=1, activation=activation)
        case "concat":
            return net.concat(t, net.pool("MAX_POOL_2D", t, window, (1, 1), 0))
        case _:
            return other(net, t, rng)


def other(net, t, rng):
    name = rng.choice(["RELU", "RELU6", "LEAKY_RELU", "QUANTIZE", "RESIZE"])
    if name == "RESIZE":
        return net.resize(t, (2, 3), bool(rng.integers(2))) if np.prod(net.shape(t)) < 90 else t
    if name == "LEAKY_RELU":
        return net.unary(name, t, options="LeakyReluOptions", alpha=float(rng.uniform(0, 0.5)))
    return net.unary(str(name), t)


def random_net(seed, type_name):
    rng, net = np.random.default_rng(seed), Net(seed=seed, type=type_name)
    size = rng.integers(5, 11, 2).tolist()
    first = t = net.codes([1, *size, int(rng.integers(1, 5))])
    for _ in range(5):
        t = grow(net, t, rng)
    if rng.integers(2):
        t = net.mean(t, bool(rng.integers(2)))
    t = net.dense(t, int(rng.integers(1, 9)), int(rng.integers(2)), bool(rng.integers(2)))
    return net, first, t
