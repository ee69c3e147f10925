"""Random passes for the output stage of an array that holds weights."""

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.output.payloads import Source

from .stage_model import StagePass, chunks

KINDS = ("requant", "threshold", "chained", "direct_requant", "direct_threshold", "maxima")
NOWHERE = {"banks": 0, "start": 0, "row_step": 0, "pixel_step": 0}


def random_pass(
    arch: Arch, rng: np.random.Generator, kind: str, *, narrow: int, skip: int = 0, results: int = 0
) -> StagePass:
    """A pass of a kind; misaligned where `narrow`, its codes are results where `results`."""
    height, width = (int(v) for v in rng.integers(1, 4, 2))
    whole = kind == "maxima"
    direct = kind.startswith("direct")
    lanes = 1 if whole else arch.out_lanes
    group, blocks, channels = _channels(arch, rng, whole=whole, narrow=narrow)
    if direct:
        group, blocks = channels, 1
    unit = 1 if narrow else lanes
    walk = {
        "height": height,
        "width": width,
        "blocks": blocks,
        "group": group,
        "channels": channels,
        "narrow": narrow,
        "whole": int(whole),
        "lane": 0 if results or whole else int(rng.integers(0, arch.rows // unit)) * unit,
        "write": NOWHERE,
        "second": NOWHERE,
        "read": NOWHERE,
        "read_signed": int(rng.integers(0, 2)),
        "read_channel": 0,
        "read_lane": 0,
        "read_channels": 0,
        "parameter_base": 0,
        "second_base": 0,
    }
    requant = kind in ("requant", "chained", "direct_requant")
    misaligned = walk["lane"] % arch.out_lanes
    stage = {
        "requant": int(requant),
        "skip": int(skip and requant and not direct),
        "chained": int(kind == "chained"),
        "shared": int(bool(misaligned) or rng.random() < 0.2),
        "second_shared": int(bool(misaligned) or rng.random() < 0.2),
        **_rounding(arch, rng, wide=results, chained=kind == "chained"),
    }
    first_bank = int(rng.integers(1, 3))
    words = -(-(walk["lane"] + channels * (arch.rows if whole else 1)) // arch.rows)
    if not results:
        kept = rng.random() < 0.8  # a map that only the chained thresholds read is not stored
        walk["write"] = place(arch, rng, walk, words, first_bank if kept else 0)
    if stage["chained"]:
        walk["second"] = place(arch, rng, walk, words, 3 - first_bank)
    if direct or stage["skip"]:
        _read(arch, rng, walk, unit, direct=direct)
    rows = -(-(channels + arch.rows) // arch.out_lanes)
    limit = min(arch.storage.requant_rows, arch.storage.threshold_rows) - rows
    walk["parameter_base"], walk["second_base"] = (int(v) for v in rng.integers(0, limit, 2))
    one = StagePass(
        stage=stage,
        walk=walk,
        source=Source.MAXIMA if whole else Source.DIRECT if direct else Source.ARRAY,
        to_stream=results,
        final=int(rng.integers(0, 2)),
    )
    reach = 1 << (arch.acc_width - 1)
    if whole:
        top = 1 << arch.storage.code_width
        one.maxima = rng.integers(0, top, (len(chunks(arch, walk)), arch.rows)).tolist()
    elif not direct:
        small = rng.random() < 0.5
        spread = min(reach, 64) if small else reach
        one.sums = rng.integers(-spread, spread, (channels, height, width))
        one.groups = _groups(arch, rng, height * width)
    return one


def _channels(arch: Arch, rng: np.random.Generator, *, whole: bool, narrow: int) -> tuple:
    if whole:
        group, words = (int(v) for v in rng.integers(1, [3, 5]))
        return group, -(-words // group), words
    blocks = int(rng.integers(1, 4))
    if blocks == 1:
        group = int(rng.integers(1, arch.cols + 1))
        return max(group, int(rng.choice([group, arch.cols]))), 1, group
    unit = 1 if narrow else arch.out_lanes
    group = int(rng.integers(1, arch.cols // unit + 1)) * unit
    return group, blocks, (blocks - 1) * group + int(rng.integers(1, group + 1))


def _rounding(arch: Arch, rng: np.random.Generator, *, wide: int, chained: bool) -> dict:
    """chained: codes are thresholded, and so fit the accumulator."""
    widths = arch.requant
    out = int(rng.integers(2, 9))
    is_signed = int(rng.integers(0, 2))
    if wide and not chained and rng.random() < 0.7:
        out, is_signed = arch.out_width, 1
    if chained:
        out = min(out, arch.acc_width - 1 + is_signed)
    reach = 1 << (widths.skip_multiplier_width - 1)
    return {
        "shift": int(rng.integers(0, widths.shift_max + 1)),
        "skip_multiplier": int(rng.integers(-reach, reach)),
        "out_min": -(1 << (out - 1)) if is_signed else 0,
        "out_max": (1 << (out - is_signed)) - 1,
    }


def place(arch: Arch, rng: np.random.Generator, walk: dict, words: int, banks: int) -> dict:
    """Words of a map somewhere in memory, with gaps between pixels and lines."""
    pixel = words + int(rng.integers(0, 3))
    row = pixel * walk["width"] + int(rng.integers(0, 3))
    free = arch.storage.activation_words - row * walk["height"]
    start = int(rng.integers(0, free))
    return {"banks": banks, "start": start, "row_step": row, "pixel_step": pixel}


def _read(arch: Arch, rng: np.random.Generator, walk: dict, unit: int, *, direct: bool) -> None:
    channels = walk["channels"]
    span = -(-channels // unit)
    offset = int(rng.integers(-span, span + 1)) * unit
    walk["read_channel"] = 0 if direct and rng.random() < 0.5 else offset
    walk["read_channels"] = int(rng.integers(1, channels + max(offset, 0) + 2))
    if offset > 0:
        walk["read_lane"] = int(rng.integers(0, arch.rows // unit)) * unit
    words = -(-(walk["read_lane"] + channels) // arch.rows) + 1
    walk["read"] = place(arch, rng, walk, words, int(rng.integers(1, 3)))


def _groups(arch: Arch, rng: np.random.Generator, pixels: int) -> list[int]:
    sizes: list[int] = []
    while sum(sizes) < pixels:
        sizes.append(int(rng.integers(1, min(arch.hold, pixels - sum(sizes)) + 1)))
    return sizes
