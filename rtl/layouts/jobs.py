"""Jobs: transfers between external memory and rows of on-chip memories, and how rows lie there.

External layout: row r of a transfer begins at `address + r * slot.bytes`. A row that is no wider
than the bus has a slot of the next power of two of bits, at least a byte, so that a beat has whole
slots (`per_beat` of them, the first one lowest); a wider row has whole beats, its low bits first. A
transfer may begin at any slot of a beat, so any part of consecutive rows can be moved: a store
leaves the other bytes of its first and last beat as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from amaranth.hdl import unsigned
from amaranth.lib import data

from ..arch.arch import Arch
from ..arch.external import External
from ..arch.storage import address_width
from ..timing.dram import Transfer

ADDRESS_WIDTH = 32
"""Bits of a byte address of external memory."""
JOB_ROW_WIDTH = 24
"""Bits of a row number and of a number of rows; of weights: planes."""
JOB_TARGET_WIDTH = 5
BEAT_COUNT_WIDTH = 24
"""Bits of the number of beats of a job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """The place of a row of `width` bits in external memory: `bits`, in beats or part of one."""

    width: int
    bits: int
    per_beat: int
    """Slots in a beat; 1 where a row has whole beats."""
    beats: int
    """Beats of a slot; 1 where it is a part of one."""

    @property
    def bytes(self) -> int:
        """Distance of two rows."""
        return self.bits // 8


def slot_of(width: int, bus_width: int) -> Slot:
    """The slot of rows of `width` bits."""
    if width > bus_width:
        beats = -(-width // bus_width)
        return Slot(width=width, bits=beats * bus_width, per_beat=1, beats=beats)
    bits = max(8, 1 << (width - 1).bit_length())
    return Slot(width=width, bits=bits, per_beat=bus_width // bits, beats=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Rows `row .. row + rows - 1` of a load target, from or (store) to byte `address`.

    target: as the load port counts them; weights: planes, plane p being row p // banks of bank
    p mod banks. Only activations can be stored.
    """

    target: int
    row: int
    rows: int
    address: int
    store: bool = False


def first_slot(job: Job, slot: Slot, external: External) -> int:
    """Number of the slot within its beat at which the job begins."""
    return job.address % external.bus_bytes // slot.bytes if slot.beats == 1 else 0


def job_beats(job: Job, slot: Slot, external: External) -> int:
    """Beats that the job moves."""
    return -(-(first_slot(job, slot, external) + job.rows) * slot.beats // slot.per_beat)


def packed_rows(rows: Iterable[int], slot: Slot) -> bytes:
    """Consecutive rows as bytes of external memory."""
    return b"".join(row.to_bytes(slot.bytes, "little") for row in rows)


def transfer_of(job: Job, slot: Slot, external: External) -> Transfer:
    """The job as the memory's timing sees it."""
    return Transfer(
        store=job.store,
        at=job.address // external.bus_bytes,
        beats=job_beats(job, slot, external),
        rows=job.rows,
        slots=slot.per_beat,
        first=first_slot(job, slot, external),
    )


def external_of(arch: Arch) -> External:
    """The external port of an Arch that has one."""
    assert arch.external is not None
    return arch.external


def slot_number_width(arch: Arch) -> int:
    """Bits of the number of a slot within its beat."""
    return (external_of(arch).bus_bytes - 1).bit_length()


def beat_address_width(arch: Arch) -> int:
    """Bits of the address of a beat, counted in beats."""
    return ADDRESS_WIDTH - slot_number_width(arch)


def job_layout(arch: Arch) -> data.StructLayout:
    """A row of the job memory. at: address of the first beat, in beats; slot: the first one."""
    return data.StructLayout(
        {
            "store": unsigned(1),
            "target": unsigned(JOB_TARGET_WIDTH),
            "row": unsigned(JOB_ROW_WIDTH),
            "rows": unsigned(JOB_ROW_WIDTH),
            "slot": unsigned(slot_number_width(arch)),
            "at": unsigned(beat_address_width(arch)),
            "beats": unsigned(BEAT_COUNT_WIDTH),
        }
    )


def job_number_width(arch: Arch) -> int:
    """Bits of the number of a job."""
    return address_width(external_of(arch).jobs)


def job_word(arch: Arch, job: Job, slot: Slot) -> dict[str, int]:
    """Field values of `job_layout`; slot: of the target's rows."""
    external = external_of(arch)
    return {
        "store": int(job.store),
        "target": job.target,
        "row": job.row,
        "rows": job.rows,
        "slot": first_slot(job, slot, external),
        "at": job.address // external.bus_bytes,
        "beats": job_beats(job, slot, external),
    }
