"""Random tiny networks of shapes that fit nothing: single pixels, lines, prime channels, groups."""

import numpy as np
from general_nets import Growing
from programs import random_codebook, random_shift_codebook, random_threshold, typical

from adqhw.spec import IntFormat, MacLayer, Program, Requant

CHANNELS = (1, 2, 3, 5, 7, 9, 11, 13, 17)
MOST_WEIGHTS = 1200
"""Of a layer."""


def awkward_net(seed: int, *, shifts: bool = False) -> Program:
    """One to five layers; most tensors are signed, no size is chosen to suit an array.

    Maps of one pixel, one line or one column; strides above the kernel, so that codes are never
    read; padding as wide as the kernel, so that windows see nothing else; groups of several
    channels; sums of one term; weights at one end of their range; images without a use of a code.
    """
    rng = np.random.default_rng(seed)
    height, width = [(1, 1), (1, 13), (11, 1), (5, 7), (2, 2)][int(rng.integers(5))]
    shape = (int(rng.choice(CHANNELS)), height, width)
    fmt = IntFormat(width=int(rng.integers(1, 9)), signed=bool(rng.random() < 0.7))
    net = _Awkward(rng=rng, shape=shape, format=fmt, shifts=shifts)
    for _ in range(int(rng.integers(1, 6))):
        if rng.random() < 0.6:
            net.conv()
        else:
            net.append()
    if not any(isinstance(layer, MacLayer) for layer in net.layers):
        net.conv()
    return net.build(seed)


class _Awkward(Growing):
    def conv(self) -> None:
        rng, source = self.rng, self._any()
        channels, height, width = self._shape(source)
        groups = int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
        kernel, stride, padding = self._window(height, width)
        outs = self._outs(groups, channels // groups * kernel[0] * kernel[1])
        weight_width, codebook, weights = self._weights((outs, channels // groups, *kernel))
        fmt = self._format(source)
        common = {
            "name": self._name("conv"), "input": source, "weights": weights,
            "weight_width": weight_width, "codebook": codebook, "groups": groups,
            "stride": stride, "padding": padding,
            "pad_codes": rng.integers(fmt.min, fmt.max + 1, channels),
        }  # fmt: skip
        probe = MacLayer(
            **common, output=Requant(multiplier=[0], bias=[0], shift=0, out=IntFormat(width=8))
        )
        low, high = typical(rng, *self._with(probe).acc_bounds(probe.name), probe.depth)
        skip = self._residual(probe) if rng.random() < 0.4 else None
        if skip is None and rng.random() < 0.5:
            output = random_threshold(rng, self._rows(outs), int(rng.integers(1, 6)), low, high)
        else:
            output = self._requant(outs, low, high, skip)
        self.layers.append(MacLayer(**common, output=output, skip=skip))

    def _window(self, height: int, width: int) -> tuple[tuple[int, ...], ...]:
        """Kernel, stride and padding; the kernel may be larger than the map, or smaller than the
        stride and the padding."""
        rng = self.rng
        padding = tuple(rng.choice([0, 0, 1, 2, 4], 4).tolist())
        most = (height + padding[0] + padding[2], width + padding[1] + padding[3])
        kernel = tuple(int(rng.integers(1, min(extent, 5) + 1)) for extent in most)
        stride = tuple(rng.integers(1, 6, 2).tolist())
        return kernel, stride, padding

    def _outs(self, groups: int, depth: int) -> int:
        """Channels, as many in every group, whose weights are few enough to be loaded soon."""
        each = int(self.rng.choice([1, 1, 2, 3, 5, 7, 19 if groups == 1 else 1]))
        return groups * max(1, min(each, MOST_WEIGHTS // (groups * depth)))

    def _weights(self, shape: tuple[int, ...]) -> tuple:
        """Bits, codebook and weights: random, all the same, or all at the low end."""
        rng, width = self.rng, int(self.rng.integers(2, 9))
        if rng.integers(2):
            limit, codebook = 1 << (width - 1), None
            low, high = -limit, limit
        else:
            make, width = random_shift_codebook if self.shifts else random_codebook, min(width, 4)
            codebook = make(rng, width, int(rng.integers(4, 9)))
            low, high = 0, len(codebook.levels)
        made = rng.integers(low, high, shape)
        if rng.random() < 0.15:
            made[...] = rng.choice([low, high - 1])
        return width, codebook, made
