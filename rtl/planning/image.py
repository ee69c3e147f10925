"""Rows of the memories that only arrays that hold weights have so: parameters, jobs."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ...spec.requant import Requant
from ..accelerator.ports import Target
from ..arch.arch import Arch
from ..dma.slots import transfer_slots
from ..layouts.held import requant_row_layout, threshold_row_layout
from ..layouts.jobs import job_layout, job_word
from ..layouts.words import Word, requant_words, threshold_words
from ..networks.plans import Pass, Plan
from ..timing.tables import has_rows, output_of


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


def pass_planes(arch: Arch, entry: Pass) -> npt.NDArray[np.uint8]:
    """(planes, bytes) weight planes of a pass, the first lane in the lowest bit."""
    assert entry.fields is not None
    beats = entry.fields.reshape(-1, arch.port_columns * arch.rows)
    shifts = np.arange(entry.weight_width)[:, None]
    bits = (beats[:, None, :] >> shifts & 1).reshape(-1, beats.shape[1]).astype(np.uint8)
    return np.packbits(bits, axis=1, bitorder="little")


def jobs_of(arch: Arch, plan: Plan) -> Iterator[tuple[int, int, int]]:
    """(target, row, data) of every job."""
    layout, slots = job_layout(arch), transfer_slots(arch)
    jobs = [job for entry in plan.passes for job in entry.jobs]
    for number, job in enumerate(jobs):
        yield Target.JOBS, number, layout.const(job_word(arch, job, slots[job.target])).as_bits()
