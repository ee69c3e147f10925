"""Rows of the memories that differ on arrays that hold weights: descriptors and parameters."""

from collections.abc import Iterator

from ...spec.requant import Requant
from ..accelerator.ports import Target
from ..arch.arch import Arch
from ..layouts.held import held_pass_layout, requant_row_layout, threshold_row_layout
from ..layouts.words import Word, requant_words, threshold_words
from ..networks.plans import Plan
from ..timing.tables import has_rows, output_of


def held_passes(arch: Arch, plan: Plan) -> Iterator[tuple[int, int, int]]:
    """(target, row, data) of every descriptor."""
    layout = held_pass_layout(arch)
    address = (1 << layout["feed"].shape["start"].width) - 1
    for number, entry in enumerate(plan.passes):
        word = dict(entry.word)
        if word["feed"]:
            word["feed"] = {**word["feed"], "start": word["feed"]["start"] & address}
        yield Target.PASSES, number, layout.const(word).as_bits()


def held_parameters(arch: Arch, plan: Plan) -> Iterator[tuple[int, int, int]]:
    """(target, row, data) of the parameters of `out_lanes` channels each, lane by lane; the lanes
    of a row that all channels share are the same."""
    lanes = arch.out_lanes
    for layer in plan.program.layers:
        if not has_rows(plan.program, layer):
            continue
        output, base = output_of(layer), plan.tables.parameters[layer.name]
        channels = lanes if output.channels == 1 else output.channels
        if isinstance(output, Requant):
            words, layout = requant_words(arch, output, channels), requant_row_layout(arch)
            target = Target.REQUANTS
        else:
            words, layout = threshold_words(arch, output, channels), threshold_row_layout(arch)
            target = Target.THRESHOLDS
        for first in range(0, channels, lanes):
            row = [_parameters(word) for word in words[first : first + lanes]]
            row += [{}] * (lanes - len(row))
            yield target, base + first // lanes, layout.const(row).as_bits()


def _parameters(word: Word) -> Word:
    return {name: value for name, value in word.items() if name != "channel"}
