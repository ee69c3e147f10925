"""Descriptors and jobs executed on memory contents: `held_interpreter` with external memory.

Jobs run at any time beside their pass: the interpreter runs them all before it, or all after it.
"""

from typing import Any

import numpy as np
from held_interpreter import Codes, Interpreter, Recording, _plain

from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.dma.slots import transfer_slots
from adqhw.rtl.layouts.held import requant_row_layout, threshold_row_layout
from adqhw.rtl.layouts.jobs import job_layout
from adqhw.rtl.networks.plans import Outside, Plan
from adqhw.spec.program import INPUT


class ExternalInterpreter(Interpreter):
    """early: jobs run before their pass."""

    def __init__(
        self, arch: Arch, rows: list[tuple[int, int, int]], outside: Outside, *, early: bool,
        seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(arch, rows, seed=seed)
        rng = np.random.default_rng(seed + 1)
        self.early, self.pending = early, None
        rest = outside.size - len(outside.contents)
        self.external = bytearray(outside.contents + rng.bytes(rest + 4096))
        layout, jobs = job_layout(arch), self.memories[Target.JOBS]
        self.jobs = [_plain(layout.from_bits(jobs[n])) for n in range(len(jobs))]
        self.slots = transfer_slots(arch)
        self.moved = {True: 0, False: 0}

    def run(self, image: Codes) -> Recording:
        self.line, self.pending = 0, None
        return super().run(image)

    def _check(self, entry: Any) -> None:
        if self.pending is not None:
            self._transfers(self.pending)
        self.pending = None if self.early else entry
        if self.early:
            self._transfers(entry)
        if not entry.idle:
            super()._check(entry)

    def _input(self, entry: Any, image: Codes) -> None:
        if entry.idle:
            return
        end = self.line + entry.fold.height
        super()._input(entry, image[:, self.line : end])
        assert entry.more == (end < image.shape[1])
        self.line = end

    def _transfers(self, entry: Any) -> None:
        for number in range(entry.first_job, entry.first_job + entry.jobs):
            self._transfer(self.jobs[number])

    def _transfer(self, job: Any) -> None:
        place, bus = self.slots[job.target], self.arch.external.bus_bytes
        at = job.at * bus + job.slot * place.bytes
        end = at + job.rows * place.bytes
        assert job.beats == -(-end // bus) - job.at
        self.moved[bool(job.store)] += job.rows
        for number in range(job.rows):
            row, low = job.row + number, at + number * place.bytes
            bits = int.from_bytes(self.external[low : low + place.bytes], "little")
            bits &= (1 << place.width) - 1
            if job.store:
                codes = self.activations[job.target - Target.ACTIVATIONS, row].tolist()
                width = self.arch.storage.code_width
                word = sum(code << lane * width for lane, code in enumerate(codes))
                self.external[low : low + place.bytes] = word.to_bytes(place.bytes, "little")
            elif job.target == Target.WEIGHTS:
                size = self.planes.shape[1]
                self.planes[row] = [bits >> lane & 1 for lane in range(size)]
            elif job.target == Target.REQUANTS:
                assert row < self.arch.storage.requant_rows
                self.requants[row] = _plain(requant_row_layout(self.arch).from_bits(bits))
            elif job.target == Target.THRESHOLDS:
                assert row < self.arch.storage.threshold_rows
                self.thresholds[row] = _plain(threshold_row_layout(self.arch).from_bits(bits))
            else:
                self.activations[job.target - Target.ACTIVATIONS, row] = self._lanes(bits)

    def _planes(self) -> Codes:
        loaded = super()._planes()
        rng = np.random.default_rng(7)
        count = self.arch.storage.weight_rows * self.arch.plane_banks
        planes = rng.integers(0, 2, (count, loaded.shape[1]))
        planes[: len(loaded)] = loaded
        return planes


def external_tensors(arch: Arch, plan: Plan, recording: Recording) -> dict[str, Codes]:
    """Tensors that are kept in external memory, from the writes of the passes that made them."""
    assert plan.outside is not None
    names = [INPUT, *(layer.name for layer in plan.program.layers)]
    found = {}
    for name in plan.outside.maps:
        channels, height, width = plan.program.tensor_shape(name)
        mine = [e for e in plan.passes if not e.idle and name in (e.layer, e.second)]
        passes = [e for e in mine if not e.word.get("to_stream")]  # those read it at the end
        flat = np.full(-(-channels // arch.rows) * arch.rows * height * width, -(1 << 40))
        parts = recording.writes[names.index(name)]
        each, rest = divmod(len(parts), len(passes))  # a max pool writes words one after the other
        assert not rest
        for entry, part in zip(np.repeat(np.array(passes, object), each), parts, strict=True):
            at = (part.address - entry.origins[name]) * arch.rows + part.lane
            assert (flat[at] == -(1 << 40)).all(), "a code must be written once"
            flat[at] = part.code
        codes = flat.reshape(height, width, -1)[:, :, :channels].transpose(2, 0, 1)
        if plan.program.tensor_format(name).signed:
            top = arch.storage.code_width
            codes = codes - ((codes >> (top - 1) & 1) << top)
        found[name] = codes - plan.offsets.get(name, 0)
    return found
