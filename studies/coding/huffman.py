"""Huffman codes of the weight codes of a layer: lengths, bits, and an encoder with its decoder.

The code is static and canonical: the lengths of a layer's symbols, `LENGTH_BITS` each, are all that
a decoder needs, and they are counted as bits of the layer. A layer whose code does not save them
stays as it is.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...spec.formats import IntArray
from ...spec.layers import MacLayer
from ...spec.program import Program

LENGTH_BITS = 4
"""Of one length in the table of a layer: lengths up to 15, the longest of any zoo program is 13."""
MOST_LENGTH = (1 << LENGTH_BITS) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CodedLayer:
    """One layer with weights."""

    name: str
    weights: int
    width: int
    """Bits of a stored code."""
    entropy: float
    """Bits per weight, of the layer's own frequencies: the least of any code without memory."""
    mean_length: float
    """Bits per weight of the Huffman code, without its table."""
    longest: int
    coded: bool
    """The code saves more than its table."""

    @property
    def raw_bits(self) -> int:
        return self.weights * self.width

    @property
    def bits(self) -> float:
        """Of the layer in the stream, table included where it is coded."""
        if not self.coded:
            return float(self.raw_bits)
        return self.weights * self.mean_length + _table_bits(self.width)


def coded_layers(program: Program) -> list[CodedLayer]:
    """Every layer with weights, each with a code of its own."""
    return [coded_layer(layer) for layer in program.mac_layers]


def coded_layer(layer: MacLayer) -> CodedLayer:
    """A layer under its Huffman code."""
    counts = symbol_counts(np.asarray(layer.weights, np.int64))
    lengths = code_lengths(counts)
    weights = int(counts.sum())
    shares = counts[counts > 0] / weights
    mean = float(np.dot(counts, lengths)) / weights
    width, longest = layer.weight_width, int(lengths.max())
    return CodedLayer(
        name=layer.name,
        weights=weights,
        width=width,
        entropy=float(-np.dot(shares, np.log2(shares))),
        mean_length=mean,
        longest=longest,
        coded=longest <= MOST_LENGTH and weights * mean + _table_bits(width) < weights * width,
    )


def symbol_counts(codes: IntArray) -> IntArray:
    """How often each value from the least to the largest stands in `codes`."""
    return np.asarray(np.bincount(codes.reshape(-1) - codes.min()), np.int64)


def code_lengths(counts: IntArray | Sequence[int]) -> IntArray:
    """Bits of each symbol's code word: optimal, 0 for symbols that do not occur; alone, 1."""
    lengths = np.zeros(len(counts), np.int64)
    heap = [(int(n), symbol, [symbol]) for symbol, n in enumerate(counts) if n]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
        return lengths
    heapq.heapify(heap)
    while len(heap) > 1:
        one, other = heapq.heappop(heap), heapq.heappop(heap)
        members = one[2] + other[2]
        lengths[members] += 1
        heapq.heappush(heap, (one[0] + other[0], min(one[1], other[1]), members))
    return lengths


def canonical(lengths: IntArray) -> list[tuple[int, int]]:
    """(word, length) of each symbol: shorter words first, equal lengths by symbol."""
    words, word, before = [(0, 0)] * len(lengths), 0, 0
    for symbol in sorted(np.flatnonzero(lengths).tolist(), key=lambda s: (int(lengths[s]), s)):
        length = int(lengths[symbol])
        word <<= length - before
        words[symbol] = (word, length)
        word, before = word + 1, length
    return words


def encode(symbols: Sequence[int], lengths: IntArray) -> str:
    """The stream as text of 0 and 1."""
    words = canonical(lengths)
    return "".join(f"{words[s][0]:0{words[s][1]}b}" for s in symbols)


def decode(stream: str, count: int, lengths: IntArray) -> list[int]:
    """`count` symbols, as a decoder finds them that compares with the first word of each length."""
    of_word = {(length, word): s for s, (word, length) in enumerate(canonical(lengths)) if length}
    found: list[int] = []
    at = 0
    while len(found) < count:
        length, word = 0, 0
        while (length, word) not in of_word:
            word, length = (word << 1) | int(stream[at]), length + 1
            at += 1
        found.append(of_word[length, word])
    return found


def _table_bits(width: int) -> int:
    return LENGTH_BITS << width
