"""Contract objects as words of the engine's load ports: plain Python, no hardware."""

from typing import Any

from ...spec.activation import Threshold
from ...spec.codebook import Codebook
from ...spec.formats import IntFormat
from ...spec.requant import Requant
from ..arch.arch import Arch

Word = dict[str, Any]
"""Field values of one payload, by the names of its layout."""


def codebook_words(arch: Arch, codebook: Codebook) -> list[Word]:
    """Every entry of the hardware table; codes that the codebook does not have select 0."""
    entries = 1 << arch.weight_width
    levels = (*codebook.levels, *(0 for _ in range(entries - len(codebook.levels))))
    return [{"code": code, "level": level} for code, level in enumerate(levels)]


def threshold_words(arch: Arch, threshold: Threshold, channels: int) -> list[Word]:
    """One row per channel; a shared row is repeated, an unused comparator never fires."""
    never = (1 << (arch.tau_width - 1)) - 1  # above every acc and its negation
    unused = [never] * (arch.thresholds - threshold.tau.shape[1])
    rows = []
    for channel in range(channels):
        source = channel if threshold.channels > 1 else 0
        rows.append(
            {
                "channel": channel,
                "negative": int(threshold.sign[source] < 0),
                "tau": [*threshold.tau[source].tolist(), *unused],
            }
        )
    return rows


def requant_words(arch: Arch, requant: Requant, channels: int) -> list[Word]:
    """One row per channel; a shared row is repeated."""
    rows = []
    for channel in range(channels):
        source = channel if requant.channels > 1 else 0
        rows.append(
            {
                "channel": channel,
                "multiplier": int(requant.multiplier[source]),
                "bias": int(requant.bias[source]),
            }
        )
    return rows


def config_word(
    output: Threshold | Requant, *, bypass: bool = False, direct: bool = False, skip: bool = False
) -> Word:
    """The configuration of a layer that ends in `output`."""
    requant = output if isinstance(output, Requant) else None
    out = output.format if requant else IntFormat(width=1)
    return {
        "bypass": int(bypass),
        "direct": int(direct),
        "requant": int(requant is not None),
        "skip": int(skip),
        "shared": 0,
        "shared_channel": 0,
        "shift": requant.shift if requant else 0,
        "skip_multiplier": requant.skip_multiplier if requant else 0,
        "out_min": out.min,
        "out_max": out.max,
    }
