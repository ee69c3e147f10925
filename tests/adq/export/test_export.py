"""Export: the program computes what the fakequant graph computes."""

import numpy as np
import pytest
import torch
from networks import frozen_network, tiny_images, tiny_network

from adqhw.adq.export.compare import compare_codes, recording
from adqhw.adq.export.export import export
from adqhw.adq.integers import integer
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.tensors import Mode
from adqhw.spec import golden, program_file
from adqhw.spec.errors import InputError
from adqhw.spec.layers import MacLayer

LIMIT = 1e-4
"""Share of codes of any tensor by which the graph may differ from its program."""
CASES = [
    {"shortcut": "A"},
    {"shortcut": "B"},
    {"shortcut": "A", "act_width": 2, "weight_width": 2},
    {"shortcut": "B", "act_width": 3, "weight_width": 3},
    {"shortcut": "A", "act_width": 1, "weight_width": 8},
    {"shortcut": "B", "weight_widths": (("layer1.0.conv1", 2), ("layer2.0.downsample", 3))},
    {"shortcut": "A", "widths": (4, 8), "depth": 10, "mean": (0.3,), "std": (0.2,)},
    {
        "shortcut": "A",
        "codebook": CodebookConfig(level_width=16, levels="reserved", tie_sign=True),
    },
    {"shortcut": "B", "codebook": CodebookConfig(level_width=6, init_lloyd=5)},
]


def identify(case: dict) -> str:
    return ",".join(f"{key}={value}" for key, value in case.items() if key != "codebook") or "-"


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_three_integer_computations_agree_exactly(case):
    model = frozen_network(**case)
    program = export(model)
    images = tiny_images(6, 9, len(model.config.mean))
    expected = golden.run(program, images.numpy(), keep="all")
    actual = integer.run(program, images.numpy(), keep="all")
    assert list(actual.tensors) == sorted(expected.tensors)
    for name, codes in expected.tensors.items():
        np.testing.assert_array_equal(actual.tensors[name], codes, err_msg=name)
    np.testing.assert_array_equal(actual.logits, expected.logits)
    model.load_program(program)
    with recording(model) as record:
        logits = model(images)
    for name, codes in expected.tensors.items():
        np.testing.assert_array_equal(record[name].numpy(), codes, err_msg=name)
    np.testing.assert_array_equal(logits.numpy(), expected.logits)


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_graph_and_program_have_the_same_codes(case):
    # Both have the same constants, but the graph computes in float64: a code could only differ
    # where a real threshold lies within 1e-15 of a sum's value.
    model = frozen_network(**case)
    images = tiny_images(64, 5, len(model.config.mean)).numpy()
    report = compare_codes(model, export(model), images, np.zeros(64, int))
    assert max(report.differing.values()) <= LIMIT, report.differing
    assert report.agreement == 1.0
    assert report.graph_top1 == report.program_top1
    assert model.mode is Mode.FAKEQUANT


def test_another_rounding_of_the_constants_is_seen():
    model = frozen_network(shortcut="B")
    report = compare_codes(model, export(model, multiplier_width=10), tiny_images(64, 5).numpy())
    assert report.differing["layer1.0.conv1"] > LIMIT


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_the_evaluated_codes_are_those_of_the_training_graph_but_for_rounding(case):
    # Gradients on, the graph is the one that trains: float32, multipliers unrounded. Only sums
    # within about 1e-5 of a threshold differ, and each difference spreads with the receptive
    # field: 0.2 % of the codes of any tensor leaves room for one such accident per image.
    model = frozen_network(**case)
    images = tiny_images(64, 5, len(model.config.mean))
    with recording(model) as record:
        trained = model(images).detach(), dict(record)
        with torch.no_grad():
            evaluated = model(images), dict(record)
    for name, codes in trained[1].items():
        if name != "fc":
            assert (codes != evaluated[1][name]).float().mean() < 2e-3, name
    assert (trained[0].argmax(1) == evaluated[0].argmax(1)).float().mean() > 0.95


def test_the_program_has_the_networks_names_and_shapes():
    model = frozen_network(shortcut="B", weight_widths=(("layer1.0.conv1", 2),))
    program = export(model, provenance={"recipe": "test"})
    assert {layer.name for layer in program.layers} == set(model.units())
    assert program.layer("layer1.0.conv1").weight_width == 2
    assert program.layer("conv1").pad_codes.tolist() == [102, 128, 153]  # half up and even: 127.5
    assert program.tensor_shape("pool") == (16, 1, 1)
    assert program.tensor_format("layer2.0.downsample").name == "s8"
    assert program.provenance["recipe"] == "test"
    assert program.provenance["network"]["shortcut"] == "B"


@pytest.mark.parametrize("width", [2, 3, 4])
def test_stored_codes_are_sign_magnitude(width):
    reserved = CodebookConfig(levels="reserved")
    program = export(frozen_network(weight_width=width, codebook=reserved))
    layers = [x for x in program.layers if isinstance(x, MacLayer) and x.codebook]
    for layer in layers:
        levels, half = layer.codebook.levels, 1 << (width - 1)
        assert list(levels[:half]) == sorted(levels[:half])
        assert list(levels[half:]) == sorted(levels[half:], reverse=True)
        assert not (layer.weights == half).any()  # minus zero is never produced
        assert max(map(abs, levels)) == 127
    assert program.average_weight_bits == width


@pytest.mark.parametrize("width", [2, 3, 4])
def test_the_place_of_minus_zero_is_a_level(width):
    model = frozen_network(weight_width=width)
    program = export(model)
    half, sides = 1 << (width - 1), set()
    for name, conv in model.hidden().items():
        layer = program.layer(name)
        levels = layer.codebook.levels
        assert (layer.weights == half).any()
        assert sorted(levels) == conv.quantizer.levels.long().tolist()
        outer = max(levels) if conv.quantizer.zero == half - 1 else min(levels)
        assert levels[half] == outer
        sides.add(conv.quantizer.zero)
    assert sides <= {half - 1, half}


def test_negative_and_zero_slopes_are_exported():
    threshold = export(frozen_network()).layer("layer1.0.conv1").output
    assert threshold.sign[0] == -1
    assert len(set(threshold.tau[1].tolist())) <= 2  # constant channel: always or never
    assert threshold.sign[2] == 1


def test_the_program_survives_its_file(tmp_path):
    program = export(frozen_network(shortcut="B"))
    program_file.save(program, tmp_path / "p.safetensors")
    loaded = program_file.load(tmp_path / "p.safetensors")
    assert loaded.digest == program.digest
    assert loaded.provenance == program.provenance


def test_a_network_that_still_adapts_is_refused():
    with pytest.raises(InputError, match="must be frozen before export"):
        export(tiny_network())


def test_a_diverged_network_is_refused():
    model = frozen_network()
    with torch.no_grad():
        model.get_submodule("layer2.0.conv1").bn.bias[3] = float("nan")
    with pytest.raises(InputError, match=r"'layer2\.0\.conv1\.bn\.bias'"):
        export(model)


def test_another_networks_program_is_refused():
    program = export(frozen_network(shortcut="B"))
    with pytest.raises(InputError, match=r"not differ in 'layer2\.0\.downsample'"):
        frozen_network(shortcut="A").load_program(program)
