"""Moves: passes without sums - the image, codes through the output stage, words as they are."""

from ...spec.layers import ConcatLayer, Layer, Skip, UpsampleLayer
from ...spec.program import INPUT
from ..layouts.descriptor import PassKind
from ..layouts.words import Word
from ..networks.plans import Pass
from ..timing.folding import Fold
from ..timing.tiling import concat_parts
from .descriptors import Descriptors
from .walks import Target


class Moves(Descriptors):
    """Passes that read no weights."""

    def input_pass(self) -> Pass:
        channels, height, width = self.program.tensor_shape(INPUT)
        rows, fold = self.arch.rows, self.plan.fold
        if fold is None:
            fold = Fold(
                layer=INPUT, columns=1, stride=1, padding=0, channels=channels, height=height,
                width=width, out_width=width,
            )  # fmt: skip
        words = -(-channels // rows)
        pad = self.plan.placement.pads.get(fold.layer)
        word = self.word(INPUT, PassKind.INPUT)
        word["walk"] = self.walks.write(Target(name=INPUT, channels=channels, group=channels))
        word["fold"] = {
            "columns": fold.columns,
            "stride": fold.stride,
            "padding": fold.padding,
            "width": fold.width,
            "height": fold.height,
            "out_width": fold.out_width,
            "channels": fold.channels,
            "words": words,
            "rest": channels - (words - 1) * rows,
            "pad_stored": int(pad is not None),
            "pad_base": 0 if pad is None else pad.base,
        }
        return Pass(layer=INPUT, kind=PassKind.INPUT, word=word)

    def direct(self, layer: Layer, source: str, target: str | None) -> Pass:
        """Codes of `source` through the output stage, to `target` or as the result."""
        word, channels = self.word(layer.name, PassKind.DIRECT), self.channels(source)
        word["walk"] = self.walks.write(Target(name=layer.name, channels=channels, group=channels))
        self.walks.read(word["walk"], Skip(tensor=source), 0)
        self.stage(word, layer)
        if layer.output is None:
            most = 1 << (self.arch.out_width - 1)  # the stage must hold the codes, no more
            word["stage"] |= {"out_min": -most, "out_max": most - 1}
        if target is None or target not in self.plan.placement.tensors:
            self.to_stream(word)
        return Pass(layer=layer.name, kind=PassKind.DIRECT, word=word)

    def moved(self, layer: Layer, source: str, feed: Word) -> Pass:
        """Maxima of windows of words of `source`, as words of the layer's tensor."""
        word = self.word(layer.name, PassKind.MAX_POOL)
        word["feed"] = feed
        word["feed_signed"] = int(self.program.tensor_format(source).signed)
        word["walk"] = self.walks.whole(source, layer.name)
        return Pass(layer=layer.name, kind=PassKind.MAX_POOL, word=word)

    def _copy(self, layer: ConcatLayer | UpsampleLayer, source: str) -> Pass:
        """Words of `source` unchanged, as maxima of windows of one."""
        window = self.walks.geometry.words(source)
        entry = self.moved(layer, source, self.walks.words(source, window))
        height, width = window.positions
        entry.word["walk"] |= {"height": height, "width": width}
        return entry

    def concat(self, layer: ConcatLayer) -> list[Pass]:
        """Every source behind those before it."""
        passes, rows = [], self.arch.rows
        counts = [self.channels(name) for name in layer.inputs]
        for source, part in zip(layer.inputs, concat_parts(counts, rows), strict=True):
            if part.words:
                entry = self._copy(layer, source)
                entry.word["walk"]["write"]["start"] += part.first // rows
            else:
                entry = self.direct(layer, source, layer.name)
                target = Target(
                    name=layer.name, channels=part.channels, group=part.channels, first=part.first
                )
                entry.word["walk"] |= self.walks.write(target)
            passes.append(entry)
        return passes

    def upsample(self, layer: UpsampleLayer) -> list[Pass]:
        """A copy of the map for every position within a repeated pixel."""
        down, right = layer.factor
        width = self.program.tensor_shape(layer.name)[2]
        blocks = self.walks.geometry.blocks(layer.name)
        passes = []
        for y in range(down):
            for x in range(right):
                entry = self._copy(layer, layer.input)
                place = entry.word["walk"]["write"]
                place["start"] += (y * width + x) * blocks
                place |= {"row_step": down * width * blocks, "pixel_step": right * blocks}
                passes.append(entry)
        return passes
