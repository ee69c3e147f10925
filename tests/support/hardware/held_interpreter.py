"""Descriptors of an array that holds weights, executed on memory contents in plain NumPy.

Knows the layouts of `rtl.layouts.held` and nothing of the planner: what a memory image makes the
hardware do. Memories begin with random contents, so that nothing may depend on them.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from amaranth.lib import data

from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.layouts.descriptor import PassKind
from adqhw.rtl.layouts.held import held_pass_layout, requant_row_layout, threshold_row_layout
from adqhw.rtl.networks.plans import Plan
from adqhw.spec.program import INPUT

Codes = np.ndarray


@dataclass
class Written:
    """Codes that a pass wrote: word address, lane and code of each."""

    address: Codes
    lane: Codes
    code: Codes


@dataclass
class Recording:
    """What a run gave: writes by number of the layer, results by pass, in their order."""

    writes: dict[int, list[Written]] = field(default_factory=lambda: defaultdict(list))
    results: dict[int, Codes] = field(default_factory=dict)


class Interpreter:
    def __init__(self, arch: Arch, rows: list[tuple[int, int, int]], *, seed: int = 0) -> None:
        self.arch = arch
        rng = np.random.default_rng(seed)
        storage = arch.storage
        shape = 2, storage.activation_words, arch.rows
        self.activations = rng.integers(0, 1 << storage.code_width, shape)
        self.memories: dict[int, dict[int, int]] = defaultdict(dict)
        for target, row, bits in rows:
            assert row not in self.memories[target], "a row must be loaded once"
            self.memories[target][row] = bits
        for bank in (0, 1):
            for row, bits in self.memories[Target.ACTIVATIONS + bank].items():
                self.activations[bank, row] = self._lanes(bits)
        self.requants = self._parameters(Target.REQUANTS, requant_row_layout(arch))
        self.thresholds = self._parameters(Target.THRESHOLDS, threshold_row_layout(arch))
        layout = held_pass_layout(arch)
        rows_of_passes = self.memories[Target.PASSES]
        self.passes = [
            _plain(layout.from_bits(rows_of_passes[n])) for n in range(len(rows_of_passes))
        ]
        self.planes = self._planes()
        self.levels = np.zeros(1 << arch.weight_width, np.int64)
        self.recording = Recording()

    def run(self, image: Codes) -> Recording:
        """All passes; image: (C, H, W) codes of the stream."""
        self.recording = Recording()
        for number, entry in enumerate(self.passes):
            self.number, self.touched = number, set()
            self._check(entry)
            codes = np.arange(entry.codebook_count)
            self.levels[codes] = [
                _signed(self.memories[Target.CODEBOOKS][entry.codebook_base + code],
                        self.arch.level_width)
                for code in codes.tolist()
            ]  # fmt: skip
            match PassKind(entry.kind):
                case PassKind.INPUT:
                    self._input(entry, image)
                case PassKind.ARRAY:
                    self._output(entry, self._array(entry))
                case PassKind.DIRECT:
                    self._output(entry, self._read(entry))
                case PassKind.MAX_POOL:
                    self._maxima(entry)
        assert [entry.final for entry in self.passes] == [0] * (len(self.passes) - 1) + [1]
        return self.recording

    # -- passes ------------------------------------------------------------------------------------

    def _check(self, entry: Any) -> None:
        """What the memories' ports allow."""
        walk, lanes = entry.walk, self.arch.out_lanes
        assert not walk.write.banks & walk.second.banks
        if entry.kind == PassKind.ARRAY:
            assert entry.feed.groups * entry.feed.size + entry.feed.larger == (
                walk.height * walk.width
            )
            assert entry.feed.size + (entry.feed.larger > 0) <= self.arch.hold
            if entry.stage.skip:
                assert walk.read.banks == 1 << (1 - entry.feed.bank)
        if entry.kind == PassKind.MAX_POOL:
            assert (entry.feed.size, entry.feed.larger) == (1, 0)
        if not walk.narrow:
            assert not entry.to_stream
            assert walk.lane % lanes == walk.read_channel % lanes == walk.read_lane % lanes == 0

    def _input(self, entry: Any, image: Codes) -> None:
        fold, walk, rows = entry.fold, entry.walk, self.arch.rows
        channels, height, width = image.shape
        assert (channels, height, width) == (fold.channels, fold.height, fold.width)
        stored = fold.columns * channels
        assert (fold.words - 1) * rows + fold.rest == stored == walk.channels
        assert 1 <= fold.rest <= rows
        codes = np.zeros((stored, height, fold.out_width), np.int64)
        pads = self.activations[0, fold.pad_base, :channels] if fold.pad_stored else 0
        for x in range(fold.out_width):
            for i in range(fold.columns):
                at = x * fold.stride - fold.padding + i
                part = slice(i * channels, (i + 1) * channels)
                inside = 0 <= at < width
                codes[part, :, x] = image[:, :, at] if inside else np.reshape(pads, (-1, 1))
        flat = codes.reshape(1, stored, -1)
        self._write(entry, walk.write, entry.layer, flat, np.arange(stored)[None])

    def _array(self, entry: Any) -> Codes:
        """(blocks, cols, pixels) sums."""
        arch, feed, walk = self.arch, entry.feed, entry.walk
        words = feed.kernel_height * feed.kernel_width * feed.channel_blocks
        assert walk.width == feed.out_width
        assert walk.group == arch.cols
        sums = []
        for block in range(feed.blocks):
            steps = [
                self._word(entry, block, ky, kx, inner)
                for ky in range(feed.kernel_height)
                for kx in range(feed.kernel_width)
                for inner in range(feed.channel_blocks)
            ]
            levels = [
                self._level(entry, block * (1 if feed.constant else words) + word)
                for word in ([0] * words if feed.constant else range(words))
            ]
            activations = np.stack([codes for codes, _ in steps], axis=1)  # (pixels, words, rows)
            activations &= (1 << arch.act_width) - 1  # lanes without a weight hold anything
            pixels = len(activations)
            matrix = np.stack(levels).transpose(0, 2, 1).reshape(-1, arch.cols)
            sums.append((activations.reshape(pixels, -1) @ matrix).T)
        return np.stack(sums)

    def _maxima(self, entry: Any) -> None:
        feed, walk, width = entry.feed, entry.walk, self.arch.storage.code_width
        assert walk.whole
        assert walk.group == 1
        assert walk.blocks == walk.channels == feed.blocks
        for block in range(feed.blocks):
            best = None
            for ky in range(feed.kernel_height):
                for kx in range(feed.kernel_width):
                    codes, outside = self._word(entry, block, ky, kx, 0)
                    if entry.feed_signed:
                        codes = codes - ((codes >> (width - 1)) << width)
                    codes = np.where(outside[:, None], -(1 << 40), codes)
                    best = codes if best is None else np.maximum(best, codes)
            y, x = np.divmod(np.arange(walk.height * walk.width), walk.width)
            address = walk.write.start + y * walk.write.row_step + x * walk.write.pixel_step + block
            lanes = np.broadcast_to(np.arange(self.arch.rows), best.shape)
            words = np.broadcast_to(address[:, None], best.shape)
            self._store(entry, walk.write.banks, entry.layer, words, lanes, best)

    def _read(self, entry: Any) -> Codes:
        """(1, channels, pixels) codes by the walk's `read`; those outside the tensor are 0."""
        walk, rows = entry.walk, self.arch.rows
        assert walk.read.banks in (1, 2)
        channel = walk.read_channel + np.arange(walk.channels)
        inside = (channel >= 0) & (channel < walk.read_channels)
        offset = walk.read_lane + np.maximum(channel, 0) - max(walk.read_channel, 0)
        y, x = np.divmod(np.arange(walk.height * walk.width), walk.width)
        pixel = walk.read.start + y * walk.read.row_step + x * walk.read.pixel_step
        codes = np.zeros((walk.channels, len(pixel)), np.int64)
        bank = walk.read.banks >> 1
        address = pixel + (offset[inside] // rows)[:, None]
        codes[inside] = self._load(bank, address, (offset[inside] % rows)[:, None])
        if walk.read_signed:
            width = self.arch.storage.code_width
            codes -= (codes >> (width - 1)) << width
        return codes[None]

    def _output(self, entry: Any, sums: Codes) -> None:
        """Sums (blocks, group, pixels) through the output stage."""
        walk, stage, lanes = entry.walk, entry.stage, self.arch.out_lanes
        channel = np.arange(len(sums) * walk.group).reshape(len(sums), -1)
        channel = channel[channel < walk.channels]
        flat = sums.reshape(len(sums) * walk.group, -1)[channel]
        bound = 1 << (self.arch.acc_width - 1)
        assert -bound <= flat.min()
        assert flat.max() < bound
        place = (walk.lane + channel) % lanes
        row = np.zeros_like(channel) if stage.shared else channel // lanes
        codes = flat
        if stage.requant:
            chosen = [
                self.requants[walk.parameter_base + r][p] for r, p in zip(row, place, strict=True)
            ]
            skip = self._read(entry)[0] if stage.skip else 0
            half = (1 << stage.shift) >> 1
            total = codes * np.array([c.multiplier for c in chosen])[:, None]
            total += np.array([c.bias for c in chosen])[:, None] + stage.skip_multiplier * skip
            codes = np.clip((total + half) >> stage.shift, stage.out_min, stage.out_max)
        else:
            assert not stage.skip
            codes = self._count(codes, walk.parameter_base + row, place)
        blocks = [channel[channel // walk.group == block] for block in range(len(sums))]
        if entry.to_stream:
            assert not walk.write.banks
            parts = [codes[c].T.ravel() for c in blocks]
            self.recording.results[self.number] = np.concatenate(parts)
        self._write(entry, walk.write, entry.layer, codes[None], channel[None])
        if stage.chained:
            row = np.zeros_like(channel) if stage.second_shared else channel // lanes
            second = self._count(codes, walk.second_base + row, place)
            self._write(entry, walk.second, entry.second_layer, second[None], channel[None])

    def _count(self, values: Codes, rows: Codes, lanes: Codes) -> Codes:
        chosen = [self.thresholds[row][lane] for row, lane in zip(rows, lanes, strict=True)]
        sign = np.array([-1 if c.negative else 1 for c in chosen])[:, None]
        tau = np.array([c.tau for c in chosen])
        return (tau[:, :, None] <= (values * sign)[:, None]).sum(axis=1)

    # -- memories ----------------------------------------------------------------------------------

    def _word(self, entry: Any, block: int, ky: int, kx: int, inner: int) -> tuple[Codes, Codes]:
        """(pixels, rows) codes of one position of every window, and which are outside the map."""
        feed, walk = entry.feed, entry.walk
        y, x = np.divmod(np.arange(walk.height * walk.width), walk.width)
        if entry.kind == PassKind.MAX_POOL:
            y, x = np.divmod(np.arange(feed.groups), feed.out_width)
        line = y * feed.stride_down - feed.padding_top + ky
        column = x * feed.stride_right - feed.padding_left + kx
        outside = (line < 0) | (line >= feed.height) | (column < 0) | (column >= feed.width)
        address = feed.start + y * feed.down_step + x * feed.right_step + block * feed.block_step
        address = address + ky * feed.row_step + kx * feed.cell_step + inner
        bits = max(1, (self.arch.storage.activation_words - 1).bit_length())
        address = address % (1 << bits)
        codes = np.zeros((len(y), self.arch.rows), np.int64)
        codes[~outside] = self._load(feed.bank, address[~outside])
        if feed.pad_stored and outside.any():
            codes[outside] = self._load(feed.bank, np.array(feed.pad_base + inner))
        return codes, outside

    def _load(self, bank: int, address: Codes, lane: Any = slice(None)) -> Codes:
        self.touched.update((bank, a) for a in np.unique(address).tolist())
        return self.activations[bank, address, lane]

    def _write(self, entry: Any, place: Any, layer: int, codes: Codes, channel: Codes) -> None:
        """Codes (1, channels, pixels) at the walk's lanes and a place."""
        walk, rows = entry.walk, self.arch.rows
        y, x = np.divmod(np.arange(walk.height * walk.width), walk.width)
        at = walk.lane + channel[0]
        pixel = place.start + y * place.row_step + x * place.pixel_step
        address = pixel + (at // rows)[:, None]
        lane = np.broadcast_to((at % rows)[:, None], address.shape)
        self._store(entry, place.banks, layer, address, lane, codes[0])

    def _store(
        self, entry: Any, banks: int, layer: int, address: Codes, lane: Codes, codes: Codes
    ) -> None:
        if not banks:
            return
        stored = codes & ((1 << self.arch.storage.code_width) - 1)
        for bank in (0, 1):
            if banks >> bank & 1:
                assert not self.touched & {(bank, a) for a in np.unique(address).tolist()}
                self.activations[bank, address, lane] = stored
        written = Written(address=address.ravel(), lane=lane.ravel(), code=stored.ravel())
        self.recording.writes[layer].append(written)

    def _level(self, entry: Any, word: int) -> Codes:
        """(cols, rows) levels of a weight word."""
        arch, width = self.arch, entry.feed.weight_width
        first = entry.feed.planes + word * arch.fill * width
        bits = self.planes[first : first + arch.fill * width]
        bits = bits.reshape(arch.fill, width, arch.port_columns, arch.rows)
        fields = (bits << np.arange(width)[None, :, None, None]).sum(axis=1)
        fields = fields.reshape(arch.cols, arch.rows)
        if entry.bypass:
            return fields - ((fields >> (width - 1)) << width)
        return self.levels[fields]

    def _planes(self) -> Codes:
        """(planes, port_columns * rows) bits."""
        arch, banks = self.arch, self.arch.plane_banks
        count = sum(len(self.memories[Target.WEIGHTS + bank]) for bank in range(banks))
        size = arch.rows * arch.port_columns
        octets = -(-size // 8)
        rows = [self.memories[Target.WEIGHTS + p % banks][p // banks] for p in range(count)]
        packed = b"".join(row.to_bytes(octets, "little") for row in rows)
        flat = np.frombuffer(packed, np.uint8).reshape(count, octets)
        return np.unpackbits(flat, axis=1, bitorder="little")[:, :size].astype(np.int64)

    def _parameters(self, target: int, layout: data.ArrayLayout) -> dict[int, list[Any]]:
        rows = self.memories[target].items()
        return {row: _plain(layout.from_bits(bits)) for row, bits in rows}

    def _lanes(self, bits: int) -> list[int]:
        width = self.arch.storage.code_width
        return [bits >> lane * width & ((1 << width) - 1) for lane in range(self.arch.rows)]


def tensors(arch: Arch, plan: Plan, recording: Recording) -> dict[str, Codes]:
    """Every tensor that was written or left as results, without its offset; the input folded."""
    names = [INPUT, *(layer.name for layer in plan.program.layers)]
    found = {}
    for number, name in enumerate(names):
        channels, height, width = plan.program.tensor_shape(name)
        region = plan.placement.tensors.get(name)
        if region is not None:
            blocks = -(-channels // arch.rows)
            flat = np.full(blocks * arch.rows * height * width, np.iinfo(np.int64).min)
            for part in recording.writes[number]:
                at = (part.address - region.base) * arch.rows + part.lane
                assert (flat[at] == np.iinfo(np.int64).min).all(), "a code must be written once"
                flat[at] = part.code
            codes = flat.reshape(height, width, -1)[:, :, :channels].transpose(2, 0, 1)
            if plan.program.tensor_format(name).signed:
                top = arch.storage.code_width
                codes = codes - ((codes >> (top - 1) & 1) << top)
            found[name] = codes - plan.offsets.get(name, 0)
    last = names[-1]
    channels, height, width = plan.program.tensor_shape(last)
    codes = np.full(channels * height * width, np.iinfo(np.int64).min)
    for number, values in recording.results.items():
        walk = plan.passes[number].result_walk
        part = walk["blocks"], walk["lines"] * width, walk["group"]
        block, pixel, column = (values.ravel() for values in np.indices(part))
        channel = walk["channel"] + block * walk["group"] + column
        at = walk["line"] * width + pixel
        index = (channel * height * width + at)[channel < channels]
        codes[index] = values
    found[last] = codes.reshape(channels, height, width) - plan.offsets.get(last, 0)
    return found


def _plain(value: Any) -> Any:
    if not isinstance(value, data.Const):
        return value
    layout = value.shape()
    if isinstance(layout, data.ArrayLayout):
        return [_plain(value[i]) for i in range(layout.length)]
    return SimpleNamespace(**{name: _plain(value[name]) for name, _ in layout})


def _signed(bits: int, width: int) -> int:
    return bits - ((bits >> (width - 1)) << width)
