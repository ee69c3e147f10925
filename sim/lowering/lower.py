"""A program being lowered to steps: its maps, and the steps of layers without weights."""

from dataclasses import dataclass, field

import numpy as np

from ...spec.activation import Threshold
from ...spec.formats import Int64Array
from ...spec.host.limits import demand
from ...spec.layers import ConcatLayer, MacLayer, PoolLayer, ThresholdLayer, UpsampleLayer
from ...spec.program import INPUT, Program
from ...spec.windows import Pair, Sides
from ..kernels.op import Kind, op
from ..kernels.simd import Tag
from . import operands
from .layout import Constants, Place

MOST_COUNTED = 32
"""Thresholds up to which comparing beats a table look-up per code."""


@dataclass(kw_only=True)
class Step:
    """One record and the maps it touches; addresses are filled in when the maps have theirs."""

    record: np.ndarray
    target: Place
    source: Place | None = None
    skip: Place | None = None
    source_padding: Pair = (0, 0)
    target_padding: Pair = (0, 0)
    """(top, left)."""
    source_shift: int = 0
    target_shift: int = 0
    """Bytes from the pixel to its first channel concerned (groups)."""

    def link(self) -> None:
        """Write the addresses of the places."""
        self.record["target"] = self.target.window(self.target_padding) + self.target_shift
        self.record["target_image"] = self.target.image
        if self.source is not None:
            self.record["source"] = self.source.window(self.source_padding) + self.source_shift
            self.record["source_image"] = self.source.image
        if self.skip is not None:
            self.record["skip"] = self.skip.window((0, 0))
            self.record["skip_image"] = self.skip.image


@dataclass(kw_only=True)
class Lowering:
    """Steps, places and constants of `program` for the kernels of `tag` (`plan.lower`)."""

    program: Program
    tag: Tag
    counting: bool = False
    """Emit steps that count non-zero codes before each MAC layer (activity)."""
    constants: Constants = field(default_factory=Constants)
    places: dict[str, Place] = field(default_factory=dict)
    spare: list[Place] = field(default_factory=list)
    """Places of no tensor: copies with another border or element."""
    steps: list[Step] = field(default_factory=list)
    counters: dict[str, tuple[int, tuple[int, int, int]]] = field(default_factory=dict)
    """Layer -> (first int32 counter, (kernel_h, kernel_w, channels in whole runs))."""
    counter_words: int = 0
    packed_bytes: int = 0
    """Largest packed window, bytes."""

    def __post_init__(self) -> None:
        users: dict[str, list[MacLayer]] = {name: [] for name in self.program.tensors}
        for layer in self.program.mac_layers:
            users[layer.input].append(layer)
        for name, readers in users.items():
            self.places[name] = self._place(name, readers)
        self._input(self.places[INPUT])

    # -- places ----------------------------------------------------------------------------------

    def _place(self, name: str, users: list[MacLayer]) -> Place:
        """Bytes if the codes fit; border of its users."""
        tensor = self.program.tensors[name]
        byte = tensor.format.width <= 8
        place = Place(
            shape=tensor.shape, element=1 if byte else 4, low=tensor.format.min if byte else 0
        )
        padding = [user for user in users if any(user.padding)]
        if padding:
            place.pads = padding[0].pad_codes
            place.halo = max(max(u.padding) for u in padding if serves(place, u))
        demand(place.image + 8 * place.row, f"Map {name!r} of the numba engine")
        return place

    def border(self, place: Place) -> None:
        """Emit the filling of a new map's border."""
        if place.halo:
            record = op(
                Kind.HALO, target_row=place.row, target_pixel=place.pixel,
                height=place.shape[1], halo=place.halo,
                pattern=self.constants.add(place.pattern()),
            )  # fmt: skip
            self.emit(Step(record=record, target=place, target_padding=(place.halo, place.halo)))

    def emit(self, step: Step) -> None:
        """Append a step and note the lifetimes of its maps."""
        index = len(self.steps)
        for place in (step.source, step.skip):
            if place is not None:
                place.dies = index
        if step.target.born < 0:
            step.target.born = index
        step.target.dies = max(step.target.dies, index)
        self.steps.append(step)

    def copied(self, source: Place, *, element: int, halo: int, pads: Int64Array | None) -> Place:
        """A copy of `source` with another border or element."""
        copy = Place(
            shape=source.shape, element=element, low=source.low if element == 1 else 0,
            halo=halo, pads=pads,
        )  # fmt: skip
        demand(copy.image + 8 * copy.row, "Padded map of the numba engine")
        self.spare.append(copy)
        self.border(copy)
        self.convert(source, copy)
        return copy

    def convert(self, source: Place, target: Place) -> None:
        """Emit a copy of all codes: row by row, or code by code when the element changes."""
        same = source.element == target.element and source.low == target.low
        fields = self.window_fields(source, target)
        record = op(Kind.COPY if same else Kind.PLAIN_LARGEST, offset=target.low, **fields)
        self.emit(Step(record=record, source=source, target=target))

    def _input(self, place: Place) -> None:
        """The first step reads images of bytes; `runner.load` writes wider ones."""
        if place.element == 1:
            channels, height, width = place.shape
            record = op(
                Kind.INPUT, channels=channels, height=height, width=width, offset=-place.low,
                target_row=place.row, target_pixel=place.pixel,
            )  # fmt: skip
            self.emit(Step(record=record, target=place))
        self.border(place)

    # -- layers without weights --------------------------------------------------------------------

    def window_fields(
        self,
        source: Place,
        target: Place,
        *,
        kernel: Pair = (1, 1),
        stride: Pair = (1, 1),
        padding: Sides = (0, 0, 0, 0),
    ) -> dict[str, int]:
        """Fields of a step that looks at windows of `source`, single codes by default."""
        channels, height, width = target.shape
        return {
            "source_row": source.row,
            "source_pixel": source.pixel,
            "source_element": source.element,
            "source_height": source.shape[1],
            "source_width": source.shape[2],
            "skip_offset": source.low,
            "target_row": target.row,
            "target_pixel": target.pixel,
            "target_element": target.element,
            "channels": channels,
            "height": height,
            "width": width,
            "kernel_h": kernel[0],
            "kernel_w": kernel[1],
            "stride_h": stride[0],
            "stride_w": stride[1],
            "pad_top": padding[0],
            "pad_left": padding[1],
        }

    def threshold(self, layer: ThresholdLayer) -> None:
        """Emit the step of a read activation."""
        source, target = self.places[layer.input], self.places[layer.name]
        self.border(target)
        if not source.element == target.element == 1:
            self.compare(layer.output, source, target)
            return
        fields = self.window_fields(source, target)
        kind, more = self._read(layer, source)
        self.emit(Step(record=op(kind, **fields | more), source=source, target=target))

    def compare(self, stage: Threshold, source: Place, target: Place) -> None:
        """Emit thresholds on codes of any width, one code at a time."""
        channels = source.shape[0]
        tau = np.broadcast_to(stage.tau, (channels, stage.tau.shape[1]))
        sign = np.broadcast_to(stage.sign, (channels,))
        record = op(
            Kind.PLAIN_THRESHOLD, levels=tau.shape[1], tau=self.constants.add(tau),
            flip=self.constants.add((sign < 0).astype(np.uint8)),
            **self.window_fields(source, target),
        )  # fmt: skip
        self.emit(Step(record=record, source=source, target=target))

    def _read(self, layer: ThresholdLayer, source: Place) -> tuple[Kind, dict[str, int]]:
        """A read activation on bytes, by counting or by table."""
        fmt, stage = self.program.tensors[layer.input].format, layer.output
        table = operands.read_table(stage, source, fmt.max - fmt.min)
        levels, sign = stage.tau.shape[1], int(stage.sign[0])
        rows = operands.count_rows(table[0], sign, levels)
        whole_chunks = source.shape[2] * source.pixel >= 64
        if len(table) == 1 and 1 <= len(rows) <= MOST_COUNTED and whole_chunks:
            return Kind.COUNT, {
                "levels": len(rows),
                "tau": self.constants.add(rows),
                "high": levels if sign < 0 else 0,  # complement of the count
                "table": self.constants.add(table),
            }
        stride = 0 if len(table) == 1 else 256
        return Kind.TABLE, {"table": self.constants.add(table), "table_stride": stride}

    def pool(self, layer: PoolLayer) -> None:
        """Emit the step of a pool."""
        source, target = self.places[layer.input], self.places[layer.name]
        self.border(target)
        fields = self.window_fields(
            source, target, kernel=layer.kernel, stride=layer.stride, padding=layer.padding
        )
        if layer.output is None:
            same = source.element == target.element == 1
            kind = Kind.LARGEST if same else Kind.PLAIN_LARGEST
            fields["offset"] = target.low
        else:
            plain = source.element == 4 or layer.skip is not None
            kind = Kind.PLAIN_AVERAGE if plain else Kind.AVERAGE
            whole = slice(0, target.shape[0])
            fields |= operands.requant_fields(self.constants, layer.output, whole, 2, target)
            if kind is Kind.AVERAGE:  # sums start at the constant that stored bytes lack
                fields["skip_offset"] = source.low * layer.taps
        skip = None if layer.skip is None else self.places[layer.skip.tensor]
        if skip is not None and layer.skip is not None:
            more = operands.skip_fields(layer.skip, skip)
            fields |= more | {"skip_offset": source.low, "skip_low": skip.low}
        record = op(kind, **fields)
        self.emit(Step(record=record, source=source, target=target, skip=skip))

    def concat(self, layer: ConcatLayer) -> None:
        """Emit one step for each source: its codes into its channels."""
        first, target = 0, self.places[layer.name]
        self.border(target)
        for name in layer.inputs:
            source = self.places[name]
            self._move(source, target, (1, 1), first * target.element)
            first += source.shape[0]

    def upsample(self, layer: UpsampleLayer) -> None:
        """Emit the step that repeats codes."""
        source, target = self.places[layer.input], self.places[layer.name]
        self.border(target)
        self._move(source, target, layer.factor, 0)

    def _move(self, source: Place, target: Place, factor: Pair, shift: int) -> None:
        fields = self.window_fields(source, target, stride=factor)
        fields["channels"] = source.shape[0]
        record = op(Kind.MOVE, **fields)
        self.emit(Step(record=record, source=source, target=target, target_shift=shift))


def serves(place: Place, user: MacLayer) -> bool:
    """True when the border's codes are those that `user` pads with."""
    return place.pads is not None and np.array_equal(place.pads, user.pad_codes)
