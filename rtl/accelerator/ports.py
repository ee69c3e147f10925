"""Payloads of the accelerator's ports: memory rows to load, results, writes for benches."""

from enum import IntEnum

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Member, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.counters import counters_layout, events_of
from ..layouts.descriptor import LAYER_WIDTH, pass_layout, with_row_numbers
from ..layouts.held import held_pass_layout, requant_row_layout, threshold_row_layout
from ..layouts.jobs import job_layout
from ..layouts.memory_port import memory_signature
from ..layouts.payloads import requant_layout, threshold_layout
from .activation_memory import BANKS, word_layout

ACCELERATOR_MODULE = "adqhw_accelerator"
"""Verilog name of an emitted accelerator."""


class Target(IntEnum):
    """Memories that the load port writes; weight bank i is WEIGHTS + i."""

    PASSES = 0
    CODEBOOKS = 1
    THRESHOLDS = 2
    REQUANTS = 3
    ACTIVATIONS = 4
    """Bank 0; bank 1 is the next number."""
    JOBS = 6
    """Transfers from and to external memory, where an Arch has it."""
    WEIGHTS = 8


TARGET_WIDTH = 5
ROW_WIDTH = 24


def descriptor_layout(arch: Arch) -> data.StructLayout:
    """One descriptor."""
    return held_pass_layout(arch) if arch.holds else pass_layout(with_row_numbers(arch))


def row_widths(arch: Arch) -> dict[int, int]:
    """Bits of a row of every load target."""
    widths: dict[int, int] = {
        Target.PASSES: descriptor_layout(arch).size,
        Target.CODEBOOKS: arch.level_width,
    }
    if arch.holds:  # a row has the parameters of all output lanes
        widths[Target.THRESHOLDS] = threshold_row_layout(arch).size
        widths[Target.REQUANTS] = requant_row_layout(arch).size
    else:
        widths[Target.THRESHOLDS] = threshold_layout(arch).size - arch.channel_width
        widths[Target.REQUANTS] = requant_layout(arch).size - arch.channel_width
    plane = arch.rows * arch.port_columns
    widths |= {Target.ACTIVATIONS + bank: word_layout(arch).size for bank in range(BANKS)}
    widths |= {Target.WEIGHTS + bank: plane for bank in range(arch.plane_banks)}
    if arch.external is not None:
        widths[Target.JOBS] = job_layout(arch).size
    return widths


def target_rows(arch: Arch) -> dict[int, int]:
    """Rows of every load target."""
    storage = arch.storage
    rows: dict[int, int] = {
        Target.PASSES: storage.passes,
        Target.CODEBOOKS: storage.codebook_rows,
        Target.THRESHOLDS: storage.threshold_rows,
        Target.REQUANTS: storage.requant_rows,
    }
    rows |= {Target.ACTIVATIONS + bank: storage.activation_words for bank in range(BANKS)}
    rows |= {Target.WEIGHTS + bank: storage.weight_rows for bank in range(arch.plane_banks)}
    if arch.external is not None:
        rows[Target.JOBS] = arch.external.jobs
    return rows


def memory_name(target: int) -> str:
    """Name of a load target; banks are numbered: `weights_2`."""
    base = max(entry for entry in Target if entry <= target)
    banked = base in (Target.ACTIVATIONS, Target.WEIGHTS)
    return base.name.lower() + (f"_{target - base}" if banked else "")


def load_layout(arch: Arch) -> data.StructLayout:
    """A row of one memory, in the low bits of data."""
    return data.StructLayout(
        {
            "target": unsigned(TARGET_WIDTH),
            "row": unsigned(ROW_WIDTH),
            "data": unsigned(max(row_widths(arch).values())),
        }
    )


def result_layout(arch: Arch) -> data.StructLayout:
    """A code of the last layer; last: of this image."""
    return data.StructLayout({"code": signed(arch.out_width), "last": unsigned(1)})


def write_layout(arch: Arch) -> data.StructLayout:
    """A write to the activation memory in this cycle, for benches and traces."""
    return data.StructLayout(
        {
            "layer": unsigned(LAYER_WIDTH),
            "address": unsigned(address_width(arch.storage.activation_words)),
            "lanes": unsigned(arch.rows),
            "word": word_layout(arch),
        }
    )


def accelerator_members(arch: Arch) -> dict[str, Member]:
    """Members of `accelerator.Accelerator` and of `machine.Machine`, described there."""
    more = {"second": Out(write_layout(arch))} if arch.holds else {}
    if arch.external is not None:
        more["external"] = Out(memory_signature(arch))
    return {
        "load": In(stream.Signature(load_layout(arch), always_ready=True)),
        "start": In(1),
        "busy": Out(1),
        "done": Out(1),
        "image": In(stream.Signature(unsigned(arch.storage.code_width))),
        "image_last": Out(1),
        "result": Out(stream.Signature(result_layout(arch))),
        "counters": Out(counters_layout(events=events_of(arch))),
        "record": Out(1),
        "ended": Out(address_width(arch.storage.passes)),
        "write": Out(write_layout(arch)),
        **more,
        "progress": Out(1),
    }
