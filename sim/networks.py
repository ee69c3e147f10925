"""Programs of well-known networks with random weights, for measuring speed.

The topologies are exact; weights are random codes and every output stage is calibrated on a few
random images, so that codes spread over their range as in a trained network. Accuracy is
meaningless. Speed does not depend on the values: no kernel skips zeros.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..spec.activation import Threshold
from ..spec.codebook import Codebook
from ..spec.errors import InputError
from ..spec.formats import IntFormat
from ..spec.layers import Layer, LayerKind, MacLayer, PoolLayer, Skip, ThresholdLayer
from ..spec.program import INPUT, Program, Tensor
from ..spec.requant import Requant
from .engine import run

U8, S8, S32 = IntFormat(width=8), IntFormat(width=8, signed=True), IntFormat(width=32, signed=True)
SHIFT = 20
_PROBE = Requant(multiplier=np.ones(1, np.int64), bias=np.zeros(1, np.int64), shift=0, out=S32)


@dataclass(kw_only=True)
class Sketch:
    """A network being built: layers, and the codes of the calibration images in each tensor."""

    input_shape: tuple[int, int, int]
    weight_width: int = 4
    act_width: int = 4
    seed: int = 0
    layers: list[Layer] = field(default_factory=list)
    codes: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.codes[INPUT] = self.random.integers(0, 256, (2, *self.input_shape))
        self.tensors[INPUT] = Tensor(shape=self.input_shape, format=U8)

    @property
    def last(self) -> str:
        """Name of the newest tensor."""
        return self.layers[-1].name if self.layers else INPUT

    def program(self, name: str) -> Program:
        """The finished program."""
        return Program(
            input_shape=self.input_shape, input_format=U8, layers=tuple(self.layers),
            provenance={"network": name, "weights": f"random, seed {self.seed}"},
        )  # fmt: skip

    def conv(
        self, name: str, outs: int, kernel: int, *, source: str | None = None, stride: int = 1,
        groups: int = 1, uniform: bool = False, out: IntFormat | None = None,
        skip: Skip | None = None,
    ) -> str:  # fmt: skip
        """A convolution to threshold codes, or to a stream of format `out`."""
        source = source or self.last
        shape = (outs, self.codes[source].shape[1] // groups, kernel, kernel)
        bits = 8 if uniform else self.weight_width
        fields = {
            "name": name, "input": source, "stride": stride, "padding": kernel // 2,
            "groups": groups, "weight_width": bits,
            **(self._levels(shape) if uniform else self._coded(shape)),
        }  # fmt: skip
        acc = self._probe(MacLayer(**fields | {"input": INPUT}, output=_PROBE), source)
        if out is None:
            stage: Threshold | Requant = self._threshold(acc)
        else:
            stage = _requant(acc, out, with_skip=skip is not None)
        return self._append(MacLayer(**fields, output=stage, skip=skip), acc, skip)

    def read(self, name: str, source: str | None = None) -> str:
        """A read activation of a stream, shared by all channels."""
        source = source or self.last
        codes = self.codes[source]
        span = codes.reshape(1, 1, -1)
        layer = ThresholdLayer(name=name, input=source, output=self._threshold(span))
        return self._append(layer, codes, None)

    def max_pool(self, name: str) -> str:
        """3 x 3, stride 2, padding 1."""
        layer = PoolLayer(
            name=name, input=self.last, kind=LayerKind.MAX_POOL, kernel=3, stride=2, padding=1
        )
        return self._append_run(layer)

    def classify(self, classes: int) -> None:
        """Global average pool and 8-bit classifier."""
        source = self.last
        size = self.codes[source].shape[2]
        acc = self.codes[source].sum(axis=(2, 3), keepdims=True)
        stage = _requant(acc.reshape(1, 1, -1), U8, with_skip=False)
        self._append(
            PoolLayer(name="pool", input=source, kind=LayerKind.AVG_POOL, kernel=size, stride=1,
                      output=stage), acc, None,
        )  # fmt: skip
        levels = self._levels((classes, acc.shape[1], 1, 1))
        bias = self.random.integers(-1000, 1000, classes)
        stage = Requant(
            multiplier=np.ones(1, np.int64).repeat(classes), bias=bias, shift=0, out=S32
        )
        self.layers.append(
            MacLayer(name="fc", kind=LayerKind.LINEAR, input="pool", weight_width=8, output=stage,
                     **levels)
        )  # fmt: skip

    # -- pieces ------------------------------------------------------------------------------------

    def _coded(self, shape: tuple[int, ...]) -> dict[str, object]:
        """Codes of a sign-magnitude codebook, dense near zero as learned ones are."""
        half = 1 << (self.weight_width - 1)
        magnitudes = np.unique(np.round(127 * (np.arange(1, half) / (half - 1)) ** 1.3).astype(int))
        levels = [0, *magnitudes.tolist(), 0, *(-magnitudes).tolist()]
        codebook = Codebook(levels=tuple(levels), width=self.weight_width)
        codes = self.random.integers(0, len(levels), shape)
        return {"weights": codes, "codebook": codebook}

    def _levels(self, shape: tuple[int, ...]) -> dict[str, object]:
        return {"weights": self.random.integers(-127, 128, shape)}

    def _probe(self, layer: MacLayer, source: str) -> npt.NDArray[np.int64]:
        """Exact sums of one layer on the calibration codes."""
        tensor = self.tensors[source]
        program = Program(input_shape=tensor.shape, input_format=tensor.format, layers=(layer,))
        return run(program, self.codes[source], "all", threads=1).tensors[layer.name].astype(int)

    def _threshold(self, acc: npt.NDArray[np.int64]) -> Threshold:
        """Thresholds per channel (axis 1) so that about 45 % of the codes are 0."""
        count = (1 << self.act_width) - 1
        flat = acc.swapaxes(0, 1).reshape(acc.shape[1], -1)
        tau = np.quantile(flat, np.linspace(0.45, 0.995, count), axis=1).T
        tau = np.maximum(tau, flat.min(axis=1, keepdims=True) + 1)  # code 0 must occur
        return Threshold(tau=np.ceil(tau).astype(np.int64), sign=np.ones(len(tau), np.int64))

    def _append(
        self, layer: MacLayer | ThresholdLayer | PoolLayer, acc: npt.NDArray[np.int64],
        skip: Skip | None,
    ) -> str:  # fmt: skip
        stage = layer.output
        if isinstance(stage, Requant) and skip is not None:
            codes = stage.apply(acc, skip.read(self.codes[skip.tensor], acc.shape[1]))
        else:
            assert stage is not None
            codes = stage.apply(acc)
        return self._note(layer, codes, stage.format)

    def _append_run(self, layer: PoolLayer) -> str:
        tensor = self.tensors[layer.input]
        alone = PoolLayer(name=layer.name, input=INPUT, kind=layer.kind, kernel=layer.kernel,
                          stride=layer.stride, padding=layer.padding)  # fmt: skip
        program = Program(input_shape=tensor.shape, input_format=tensor.format, layers=(alone,))
        codes = run(program, self.codes[layer.input], "all", threads=1).tensors[layer.name]
        return self._note(layer, codes.astype(np.int64), tensor.format)

    def _note(self, layer: Layer, codes: npt.NDArray[np.int64], fmt: IntFormat) -> str:
        self.layers.append(layer)
        self.codes[layer.name] = codes
        _, channels, height, width = codes.shape
        self.tensors[layer.name] = Tensor(shape=(channels, height, width), format=fmt)
        return layer.name


def _requant(acc: npt.NDArray[np.int64], out: IntFormat, *, with_skip: bool) -> Requant:
    """Sums of each channel brought to a spread of an eighth of the range of `out`."""
    flat = acc.swapaxes(0, 1).reshape(acc.shape[1], -1)
    spread = np.maximum(flat.std(axis=1), 1.0)
    shift = SHIFT
    scale = (out.max - out.min + 1) / 8 / spread
    multiplier = np.minimum(np.round(scale * 2**shift), (1 << 23) - 1).astype(np.int64)
    bias = -np.round(multiplier * flat.mean(axis=1)).astype(np.int64)
    bias = bias if out.signed or not with_skip else bias + (1 << shift)
    return Requant(
        multiplier=multiplier, bias=bias, shift=shift, out=out,
        skip_multiplier=int(0.75 * 2**shift) if with_skip else 0,
    )  # fmt: skip


def build(name: str, *, weight_width: int = 4, act_width: int = 4, seed: int = 0) -> Program:
    """The program of a network called `name` (see `NAMES`)."""
    from . import topologies

    if name not in topologies.NETWORKS:
        known = ", ".join(topologies.NETWORKS)
        raise InputError(f"Network must be one of {known}, not {name!r}")
    shape, draw = topologies.NETWORKS[name]
    sketch = Sketch(input_shape=shape, weight_width=weight_width, act_width=act_width, seed=seed)
    draw(sketch)
    return sketch.program(name)
