"""Walks: the geometry of a pass on an array that holds weights, as fields of its descriptor."""

from dataclasses import dataclass

from ...spec.layers import Skip
from ...spec.program import Program
from ..arch.arch import Arch
from ..layouts.descriptor import limit
from ..layouts.held import PIXEL_WIDTH
from ..layouts.words import Word
from ..networks.geometry import Geometry, Window
from ..networks.regions import Placement, Region, bank
from ..timing.grouping import Grouping, grouping

NOWHERE = Region(banks=0, base=0, words=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a pass writes: `channels` of tensor `name` from channel `first` on, in blocks of
    `group`; chained codes into the same channels of tensor `second`."""

    name: str
    channels: int
    group: int
    first: int = 0
    blocks: int = 1
    second: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldWalks:
    """Walks over the tensors of a program that is placed in an array's memories."""

    arch: Arch
    program: Program
    placement: Placement

    @property
    def geometry(self) -> Geometry:
        return Geometry(rows=self.arch.rows, program=self.program, placement=self.placement)

    # -- words in ----------------------------------------------------------------------------------

    def feed(self, tensor: str, window: Window, *, groups: Grouping, skip: Skip | None) -> Word:
        """Reading: windows on a stored tensor, in a bank that leaves another one to `skip`."""
        (down, right), (top, left) = window.stride, window.padding
        limit(f"Tensor {tensor!r} windows", groups.pixels, PIXEL_WIDTH)
        other = 1 if skip is None else bank(self.placement.tensors[skip.tensor], other=0)
        return {
            "bank": bank(self.placement.tensors[tensor], other),
            **self.geometry.feed(tensor, window),
            "stride_down": down,
            "stride_right": right,
            "padding_top": top,
            "padding_left": left,
            "channel_blocks": 1,
            "blocks": 1,
            "groups": groups.groups,
            "larger": groups.larger,
            "size": groups.size,
        }

    def words(self, tensor: str, window: Window) -> Word:
        """Reading: all words of windows on a stored tensor, block by block, a pixel per group."""
        pixels = window.positions[0] * window.positions[1]
        feed = self.feed(tensor, window, groups=grouping(pixels, 1), skip=None)
        return {**feed, "blocks": self.geometry.blocks(tensor), "block_step": 1}

    # -- codes out and in --------------------------------------------------------------------------

    def write(self, target: Target) -> Word:
        """Writing: the codes of every pixel of a tensor, chunk by chunk."""
        _, height, width = self.program.tensor_shape(target.name)
        lane = target.first % self.arch.rows
        return {
            "height": height,
            "width": width,
            "blocks": target.blocks,
            "group": target.group,
            "channels": target.channels,
            "narrow": int(lane % self.arch.out_lanes > 0),
            "lane": lane,
            "write": self._place(target.name, target.first),
            "second": {} if target.second is None else self._place(target.second, target.first),
        }

    def whole(self, source: str, target: str) -> Word:
        """Writing: words of `source`, block by block, as words of `target`."""
        blocks = self.geometry.blocks(source)
        walk = self.write(Target(name=target, channels=blocks, group=1, blocks=blocks))
        return {**walk, "whole": 1}

    def read(self, walk: Word, skip: Skip, first: int, other: int = 1) -> None:
        """Reading beside the walk: codes of a tensor. first: the walk's first channel, in the
        tensor that is made; other: the bank to leave to words that are read at the same time."""
        region, channel = self.placement.tensors[skip.tensor], first - skip.channel_offset
        row, lane = divmod(max(channel, 0), self.arch.rows)
        place = self.geometry.place(region, skip.tensor, skip.stride)
        walk |= {
            "read": {**place, "banks": 1 << bank(region, other), "start": place["start"] + row},
            "read_signed": int(self.program.tensor_format(skip.tensor).signed),
            "read_channel": channel,
            "read_lane": lane,
            "read_channels": self.program.tensor_shape(skip.tensor)[0],
        }
        if channel % self.arch.out_lanes:
            walk["narrow"] = 1

    def _place(self, tensor: str, first: int) -> Word:
        """Where a tensor's channels from `first` on begin; nowhere, if it is not stored."""
        region = self.placement.tensors.get(tensor, NOWHERE)
        place = self.geometry.place(region, tensor)
        start = place["start"] + first // self.arch.rows
        return {**place, "banks": region.banks, "start": start}
