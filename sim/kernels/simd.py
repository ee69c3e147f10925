"""Which instructions the kernels use: a tag whose *type* picks the code when Numba compiles.

A tag is an argument of every kernel that has SIMD variants, so each variant is its own
specialization with its own entry in the disk cache. The tag never changes a bit (contract
section 3: the order of exact sums is free); tests/conformance compares all of them.
"""

from typing import NamedTuple

from llvmlite.binding import get_host_cpu_features

from ...spec.errors import InputError


class Vnni512(NamedTuple):
    """AVX512-VNNI: 64 products u8 x s8 per instruction, summed into 16 lanes of 32 bits."""

    lanes: int = 16


class Vnni256(NamedTuple):
    """AVX-VNNI: the same with 8 lanes, for processors without AVX-512."""

    lanes: int = 8


class Avx2(NamedTuple):
    """AVX2: 16-bit multiply-add where its intermediate sums are proven to fit."""

    lanes: int = 8


class Portable(NamedTuple):
    """Plain vector arithmetic that LLVM lowers for any processor."""

    lanes: int = 16


Tag = Vnni512 | Vnni256 | Avx2 | Portable

MODES = ("vnni", "avx2", "portable")
"""Values of `--simd`; `None` is the first one that this processor supports."""


def cpu_features() -> frozenset[str]:
    """LLVM's names of the features of this processor."""
    return frozenset(name for name, present in get_host_cpu_features().items() if present)


def supported(features: frozenset[str] | None = None) -> tuple[str, ...]:
    """Modes that a processor with `features` (default: this one) can run, fastest first."""
    return tuple(mode for mode in MODES if _tag(mode, _known(features)) is not None)


def choose(mode: str | None = None, features: frozenset[str] | None = None) -> Tag:
    """The tag of `mode`, or of the fastest mode; refuses one that the processor cannot run."""
    known = _known(features)
    if mode is None:
        mode = supported(known)[0]
    if mode not in MODES:
        raise InputError(f"SIMD mode must be one of {', '.join(MODES)}, not {mode!r}")
    tag = _tag(mode, known)
    if tag is None:
        raise InputError(
            f"SIMD mode must be one that this processor supports "
            f"({', '.join(supported(known))}), not {mode!r}"
        )
    return tag


def _known(features: frozenset[str] | None) -> frozenset[str]:
    return cpu_features() if features is None else features


def _tag(mode: str, features: frozenset[str]) -> Tag | None:
    if mode == "portable":
        return Portable()
    if mode == "avx2":
        return Avx2() if "avx2" in features else None
    if {"avx512vnni", "avx512bw", "avx512f"} <= features:
        return Vnni512()
    return Vnni256() if {"avxvnni", "avx2"} <= features else None
