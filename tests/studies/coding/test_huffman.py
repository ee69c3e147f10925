"""Huffman codes: optimal, decodable, and counted with their tables."""

import heapq
from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.technology.choice import chosen
from adqhw.cost.technology.technology import load
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError, MacLayer, Program
from adqhw.spec.program_file import save
from adqhw.studies.coding.break_even import decoder_pj, saving
from adqhw.studies.coding.huffman import (
    canonical,
    code_lengths,
    coded_layer,
    coded_layers,
    decode,
    encode,
)

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=17).filter(any)


def merged_weight(counts: list[int]) -> int:
    """Bits of an optimal code: the sum of all merges of the two lightest."""
    heap = [n for n in counts if n]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@settings(max_examples=60, derandomize=True)
@given(COUNTS)
def test_lengths_are_optimal_and_complete(counts):
    lengths = code_lengths(counts)
    assert int(np.dot(counts, lengths)) == merged_weight(counts)
    used = [int(n) for n in lengths if n]
    assert [bool(n) for n in lengths] == [bool(n) for n in counts]
    assert sum(2.0**-n for n in used) == (1.0 if len(used) > 1 else 0.5)


@settings(max_examples=40, derandomize=True)
@given(COUNTS, st.randoms(use_true_random=False))
def test_a_stream_decodes_to_what_was_coded(counts, random):
    symbols = [s for s, n in enumerate(counts) for _ in range(min(n, 5))]
    random.shuffle(symbols)
    lengths = code_lengths(counts)
    assert decode(encode(symbols, lengths), len(symbols), lengths) == symbols


def test_canonical_words():
    """Lengths 2, 1, 3, 3: words 10, 0, 110, 111."""
    assert canonical(np.array([2, 1, 3, 3])) == [(2, 2), (0, 1), (6, 3), (7, 3)]


def test_a_layer_is_coded_where_its_table_pays():
    for layer in small_net().mac_layers:
        found = coded_layer(layer)
        codes = np.asarray(layer.weights, np.int64)
        _, counts = np.unique(codes, return_counts=True)
        bits = merged_weight(counts.tolist())
        table = 4 << layer.weight_width
        assert found.weights == codes.size
        assert found.weights * found.mean_length == pytest.approx(bits)
        assert found.entropy <= found.mean_length + 1e-12
        assert found.coded == (bits + table < codes.size * layer.weight_width)
        assert found.bits == pytest.approx(
            bits + table if found.coded else codes.size * layer.weight_width
        )


def test_a_decoder_by_hand():
    """Words of up to 3 bits, codes of 2: window 6, shifter 3 x 2, comparisons 6, table 2 x 3."""
    unit = load("unit")
    assert decoder_pj(unit, 3, 2).expected == 6 + 6 + (6 + 6) + 6 + 2


def test_savings_by_hand():
    net, technology = small_net(), chosen("literature45", memories="sram45", dram="hbm2")
    result = estimate(net, narrowest(net, rows=4, cols=4), technology)
    layers = coded_layers(net)
    found = saving("net", layers, result)
    saved = sum(layer.raw_bits - layer.bits for layer in layers)
    assert found.saved_bits == pytest.approx(saved)
    spent = sum(
        decoder_pj(technology, layer.longest, layer.width).expected * layer.weights
        for layer in layers
        if layer.coded
    )
    assert found.behind_dram_pj == pytest.approx(spent - 5.5 * saved)
    assert found.coded <= found.raw
    plain = estimate(net, narrowest(net, rows=4, cols=4), load("literature45"))
    if any(layer.coded for layer in layers):
        with pytest.raises(InputError, match="must have a memory table, not 'literature45'"):
            saving("net", layers, plain)


def test_the_page(tmp_path):
    save(skewed(), tmp_path / "net.safetensors")
    words = ["bench", "entropy", str(tmp_path / "net.safetensors"), "-o", str(tmp_path / "p.md")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "p.md").read_text()
    layers = coded_layers(skewed())
    weights = sum(layer.weights for layer in layers)
    bits = sum(layer.bits for layer in layers) / weights
    raw = sum(layer.raw_bits for layer in layers) / weights
    assert f"| net | {raw:.3f} | {bits:.3f} |" in text
    assert bits < 0.8 * raw
    assert "less than it saves in 1 of 1 programs" in text


def skewed() -> Program:
    """Most codes of the hidden layers are the same."""
    net, rng = small_net(), np.random.default_rng(0)
    layers = []
    for layer in net.layers:
        if isinstance(layer, MacLayer) and layer.weight_width == 4:
            same = rng.random(layer.weights.shape) < 0.8
            weights = np.where(same, layer.weights.flat[0], layer.weights)
            layer = replace(layer, weights=weights.astype(layer.weights.dtype))
        layers.append(layer)
    return replace(net, layers=tuple(layers))
