"""Packing of codes into bytes: little-endian bit order, low code first (contract section 8)."""

import numpy as np
import numpy.typing as npt

from ..errors import ContractError
from ..formats import IntArray, IntFormat

_AT_ONCE = 1 << 16
"""Codes whose bits are spread out together, 64 times their size: a multiple of 8, whole bytes."""


def packed_bytes(count: int, width: int) -> int:
    """Bytes that `count` codes of `width` bits occupy: ceil(count * width / 8)."""
    return (count * width + 7) // 8


def pack(codes: IntArray, width: int) -> npt.NDArray[np.uint8]:
    """Bytes of `codes` (any shape, C order): bit j of code i is bit i*width + j of the stream.

    Bit b of the stream is bit b % 8 of byte b // 8; the last byte is filled with zeros. Signed
    codes are packed as two's complement by the caller masking them to `width` bits.
    """
    flat = np.asarray(codes).reshape(-1)
    IntFormat(width=width).check(flat, "Packed code")
    parts = [_pack_some(flat[i : i + _AT_ONCE], width) for i in range(0, flat.size, _AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def _pack_some(flat: IntArray, width: int) -> npt.NDArray[np.uint8]:
    bits = (flat.astype(np.uint64)[:, None] >> np.arange(width, dtype=np.uint64)) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little")


def unpack(data: npt.NDArray[np.uint8], width: int, count: int) -> npt.NDArray[np.int64]:
    """The inverse of `pack`: `count` codes of `width` bits, int64."""
    raw = np.ascontiguousarray(data, dtype=np.uint8).reshape(-1)
    if raw.size != packed_bytes(count, width):
        raise ContractError(
            f"Packed data must be {packed_bytes(count, width)} bytes for {count} codes of "
            f"{width} bits, not {raw.size}"
        )
    used = count * width % 8
    if used and int(raw[-1]) >> used:
        raise ContractError("Packed data must end in zero bits")
    codes = np.empty(count, np.int64)
    for i in range(0, count, _AT_ONCE):
        some = codes[i : i + _AT_ONCE]
        some[:] = _unpack_some(raw[i * width // 8 :], width, some.size)
    return codes


def _unpack_some(raw: npt.NDArray[np.uint8], width: int, count: int) -> npt.NDArray[np.int64]:
    bits = np.unpackbits(raw[: packed_bytes(count, width)], bitorder="little")[: count * width]
    weights = np.int64(1) << np.arange(width, dtype=np.int64)
    return np.asarray(bits.reshape(count, width).astype(np.int64) @ weights)
