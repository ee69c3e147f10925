"""Model of a pass through the output stage of an array that holds weights, from spec and layouts.

A `StagePass` is the descriptor's part for the stage and what flows into it; `expected` says every
write, chained write and result by numpy and the contract's `Requant` and `Threshold`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.output.payloads import Source
from adqhw.spec import IntFormat, Requant, Threshold


@dataclass
class StagePass:
    """sums: (channels, height, width), of ARRAY passes; maxima: words in walk order."""

    stage: dict
    walk: dict
    source: Source
    to_stream: int = 0
    final: int = 0
    sums: np.ndarray | None = None
    maxima: list = field(default_factory=list)
    groups: list = field(default_factory=list)
    """Slots of the groups, in order."""


@dataclass
class Contents:
    """Memories: activation banks (words, rows), parameter rows by lane."""

    banks: np.ndarray
    multiplier: np.ndarray
    bias: np.ndarray
    tau: np.ndarray
    negative: np.ndarray

    @classmethod
    def random(cls, arch: Arch, rng: np.random.Generator, low: int = 6) -> "Contents":
        """low: bits of what the thresholds are compared with."""
        storage, lanes = arch.storage, arch.out_lanes
        rows = (storage.requant_rows, lanes)
        reach = 1 << (arch.requant.multiplier_width - 1)
        bias = 1 << min(arch.requant.bias_width - 1, 12)
        t_rows = (storage.threshold_rows, lanes)
        tau = rng.integers(-(1 << low), 1 << low, (*t_rows, arch.thresholds))
        return cls(
            banks=rng.integers(
                0, 1 << storage.code_width, (2, storage.activation_words, arch.rows)
            ),
            multiplier=rng.integers(-reach, reach, rows),
            bias=rng.integers(-bias, bias, rows),
            tau=np.sort(tau, axis=-1),
            negative=rng.integers(0, 2, t_rows),
        )


def chunks(arch: Arch, walk: dict) -> list[tuple[int, int, int, int]]:
    """(y, x, first channel, channels) in the order of the walk."""
    step = 1 if walk["narrow"] or walk["whole"] else arch.out_lanes
    found = []
    for block in range(walk["blocks"]):
        first = block * walk["group"]
        end = min(first + walk["group"], walk["channels"])
        for y in range(walk["height"]):
            for x in range(walk["width"]):
                found += [(y, x, c, min(step, end - c)) for c in range(first, end, step)]
    return found


def word_of(arch: Arch, place: dict, y: int, x: int, lane: int) -> tuple[int, int]:
    """Address and lane, `lane` counted from the pixel's first word."""
    address = place["start"] + y * place["row_step"] + x * place["pixel_step"] + lane // arch.rows
    return address % (1 << (arch.storage.activation_words - 1).bit_length()), lane % arch.rows


def read_codes(arch: Arch, contents: Contents, one: StagePass) -> np.ndarray:
    """(channels, height, width): the codes at the walk's `read`, 0 outside."""
    walk = one.walk
    bank = 0 if walk["read"]["banks"] & 1 else 1
    codes = np.zeros((walk["channels"], walk["height"], walk["width"]), np.int64)
    half = 1 << (arch.storage.code_width - 1)
    for c, y, x in np.ndindex(codes.shape):
        at = walk["read_channel"] + c
        if 0 <= at < walk["read_channels"]:
            lane = walk["read_lane"] + at - max(walk["read_channel"], 0)
            address, lane = word_of(arch, walk["read"], y, x, lane)
            code = int(contents.banks[bank, address, lane])
            codes[c, y, x] = code - 2 * half if walk["read_signed"] and code >= half else code
    return codes


def parameter_places(
    arch: Arch, one: StagePass, base: int, *, shared: int
) -> tuple[np.ndarray, np.ndarray]:
    """(row, lane) of every channel."""
    walk = one.walk
    lanes = walk["lane"] % arch.out_lanes + np.arange(walk["channels"])
    rows = base + (0 if shared else lanes // arch.out_lanes)
    return np.broadcast_to(rows, lanes.shape), lanes % arch.out_lanes


def codes_of(
    arch: Arch, contents: Contents, one: StagePass
) -> tuple[np.ndarray, np.ndarray | None]:
    """Main and chained codes (channels, height, width)."""
    stage, walk = one.stage, one.walk
    reads: Any = read_codes(arch, contents, one) if walk["read"]["banks"] else None
    sums: Any = reads if one.source is Source.DIRECT else one.sums

    def threshold(values: np.ndarray, base: int, shared: int) -> np.ndarray:
        at = parameter_places(arch, one, base, shared=shared)
        rule = Threshold(tau=contents.tau[at], sign=1 - 2 * contents.negative[at])
        return rule.apply(values[None])[0]

    if not stage["requant"]:
        return threshold(sums, walk["parameter_base"], stage["shared"]), None
    at = parameter_places(arch, one, walk["parameter_base"], shared=stage["shared"])
    rule = Requant(
        multiplier=contents.multiplier[at],
        bias=contents.bias[at],
        shift=stage["shift"],
        out=_format(stage),
        skip_multiplier=stage["skip_multiplier"] if stage["skip"] else 0,
    )
    main = rule.apply(sums[None], reads[None] if stage["skip"] else None)[0]
    chained = (
        threshold(main, walk["second_base"], stage["second_shared"]) if stage["chained"] else None
    )
    return main, chained


def _format(stage: dict) -> IntFormat:
    low, high = stage["out_min"], stage["out_max"]
    return IntFormat(width=(high - low).bit_length(), signed=low < 0)


def expected(
    arch: Arch, contents: Contents, one: StagePass
) -> tuple[list[dict], list[dict], list[dict]]:
    """Writes, chained writes, results: {chunk, banks, address, codes by lane} and {chunk, code}."""
    writes: list[dict] = []
    seconds: list[dict] = []
    results: list[dict] = []
    walk = one.walk
    steps = chunks(arch, walk)
    if one.source is Source.MAXIMA:
        for i, (y, x, c, _) in enumerate(steps):
            address, _ = word_of(arch, walk["write"], y, x, c * arch.rows)
            word = dict(enumerate(one.maxima[i]))
            writes.append(write_of(walk["write"]["banks"], address, word, i))
        return writes, seconds, results
    main, chained = codes_of(arch, contents, one)
    mask = (1 << arch.storage.code_width) - 1
    for i, (y, x, c, count) in enumerate(steps):
        for found, codes, place in ((writes, main, "write"), (seconds, chained, "second")):
            if codes is None or (place == "write" and one.to_stream):
                continue
            at = [word_of(arch, walk[place], y, x, walk["lane"] + c + k) for k in range(count)]
            assert len({address for address, _ in at}) == 1
            lanes = {lane: int(codes[c + k, y, x]) & mask for k, (_, lane) in enumerate(at)}
            found.append(write_of(walk[place]["banks"], at[0][0], lanes, i))
        if one.to_stream:
            last = int(one.final and i == len(steps) - 1)
            results.append({"chunk": i, "code": int(main[c, y, x]), "last": last})
    return writes, seconds, results


def write_of(banks: int, address: int, codes: dict[int, int], chunk: int) -> dict:
    return {"chunk": chunk, "banks": banks, "address": address, "codes": codes}


def parameter_reads(arch: Arch, one: StagePass, base: int, *, shared: int) -> int:
    """Rows read by a pass: one whenever a chunk's row is not that of the chunk before."""
    rows, _ = parameter_places(arch, one, base, shared=shared)
    sequence = [int(rows[c]) for _, _, c, _ in chunks(arch, one.walk)]
    return sum(a != b for a, b in zip([None, *sequence[:-1]], sequence, strict=True))


def word_reads(arch: Arch, one: StagePass) -> list[int]:
    """Addresses of the words read, in order: none twice in a row, none outside."""
    walk = one.walk
    addresses: list[int] = []
    for y, x, c, count in chunks(arch, walk):
        at = walk["read_channel"] + c
        if at + count > 0 and at < walk["read_channels"]:
            lane = walk["read_lane"] + at - max(walk["read_channel"], 0)
            address, _ = word_of(arch, walk["read"], y, x, lane)
            if addresses[-1:] != [address]:
                addresses.append(address)
    return addresses
