"""Payloads of the engine's streams: one layout per port, all widths from `Arch`."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ..arch.arch import Arch
from ..timing.schedule import schedule_widths


def beat_layout(arch: Arch) -> data.StructLayout:
    """One array step: `rows` activations for all columns and a weight field per lane.

    channel is that of column 0 (column j makes channel + j); first and last frame a sum.
    """
    return data.StructLayout(
        {
            "activations": data.ArrayLayout(unsigned(arch.act_width), arch.rows),
            "weights": data.ArrayLayout(
                data.ArrayLayout(unsigned(arch.field_width), arch.rows), arch.cols
            ),
            "channel": unsigned(arch.channel_width),
            "first": unsigned(1),
            "last": unsigned(1),
        }
    )


def sums_layout(arch: Arch) -> data.StructLayout:
    """The finished sums of all columns; channel is that of column 0."""
    return data.StructLayout(
        {
            "acc": data.ArrayLayout(signed(arch.acc_width), arch.cols),
            "channel": unsigned(arch.channel_width),
        }
    )


def acc_layout(arch: Arch) -> data.StructLayout:
    """One sum for the output stage."""
    return data.StructLayout(
        {"acc": signed(arch.acc_width), "channel": unsigned(arch.channel_width)}
    )


def codebook_layout(arch: Arch) -> data.StructLayout:
    """One codebook entry to load."""
    return data.StructLayout(
        {"code": unsigned(arch.weight_width), "level": signed(arch.level_width)}
    )


def threshold_layout(arch: Arch) -> data.StructLayout:
    """The thresholds of one channel; negative means sign -1."""
    return data.StructLayout(
        {
            "channel": unsigned(arch.channel_width),
            "negative": unsigned(1),
            "tau": data.ArrayLayout(signed(arch.tau_width), arch.thresholds),
        }
    )


def requant_layout(arch: Arch) -> data.StructLayout:
    """The requantization of one channel."""
    return data.StructLayout(
        {
            "channel": unsigned(arch.channel_width),
            "multiplier": signed(arch.requant.multiplier_width),
            "bias": signed(arch.requant.bias_width),
        }
    )


def config_layout(arch: Arch) -> data.StructLayout:
    """Configuration of a layer; written only while nothing of another layer is in flight.

    bypass: weight fields are levels. direct: the output stage reads the direct stream instead of
    the array. requant: the output stage is the requant unit. skip: it takes a residual code per
    sum. shared: all sums use the parameters of shared_channel. Then the requant's shift, the
    residual's multiplier, the saturation limits and, where beats take several cycles, the schedule.
    """
    return data.StructLayout(
        {
            "bypass": unsigned(1),
            "direct": unsigned(1),
            "requant": unsigned(1),
            "skip": unsigned(1),
            "shared": unsigned(1),
            "shared_channel": unsigned(arch.channel_width),
            "shift": unsigned(shift_width(arch)),
            "skip_multiplier": signed(arch.requant.skip_multiplier_width),
            "out_min": signed(arch.out_width),
            "out_max": signed(arch.out_width),
            **{name: unsigned(width) for name, width in schedule_widths(arch).items()},
        }
    )


def shift_width(arch: Arch) -> int:
    """Bits of a shift amount."""
    return max(1, arch.requant.shift_max.bit_length())
