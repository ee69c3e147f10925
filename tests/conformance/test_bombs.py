"""Small programs of large maps: every engine refuses them before it allocates."""

import resource

import numpy as np
import pytest
from backends import BACKENDS

from adqhw.flows.engines import engine
from adqhw.spec import (
    IntFormat,
    LayerKind,
    MacLayer,
    PoolLayer,
    Program,
    Requant,
    Threshold,
    ThresholdLayer,
)
from adqhw.spec.errors import InputError

OUT = Requant(multiplier=[1], bias=[0], shift=0, out=IntFormat(width=8))


def conv(**change):
    fields = {
        "name": "a", "input": "input", "weights": np.ones((2, 3, 3, 3), int), "weight_width": 3,
        "output": OUT, **change,
    }  # fmt: skip
    return MacLayer(**fields)


def program(*layers, shape=(3, 8, 8), fmt="u4"):
    return Program(input_shape=shape, input_format=IntFormat.parse(fmt), layers=layers)


BOMBS = {
    "padding": lambda: program(conv(padding=20_000)),
    "padding and pool": lambda: program(
        conv(padding=20_000),
        PoolLayer(name="m", input="a", kind=LayerKind.MAX_POOL, kernel=40_000, stride=40_000),
    ),
    "pool": lambda: program(
        PoolLayer(
            name="m", input="input", kind=LayerKind.MAX_POOL, kernel=65_535, stride=1,
            padding=65_534,
        )
    ),
    "chain": lambda: program(
        conv(padding=900),
        *(conv(name=f"c{i}", input=f"c{i - 1}" if i else "a", padding=2000,
               weights=np.ones((2, 2, 3, 3), int)) for i in range(5)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["golden", *BACKENDS])
@pytest.mark.parametrize("bomb", BOMBS)
def test_large_maps_are_refused_before_they_are_made(bomb, name, monkeypatch):
    monkeypatch.setenv("ADQHW_MEMORY", "0.2")
    made, run = BOMBS[bomb](), engine(name)
    images = np.zeros((1, 3, 8, 8), np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"must fit 0\.2 GiB of memory \(ADQHW_MEMORY\), not need"):
        run(made, images)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


@pytest.mark.parametrize("name", ["golden", *BACKENDS])
def test_results_of_many_images_are_refused_before_they_are_made(name, monkeypatch):
    monkeypatch.setenv("ADQHW_MEMORY", "0.2")
    made = program(conv(padding=100))  # 86,436 codes of 3,072 images
    with pytest.raises(InputError, match="Results of 3072 images must fit"):
        engine(name)(made, np.zeros((3072, 3, 8, 8), np.uint8), "all")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conv(stride=2**31), "stride must be an integer in 1..65535, not 2147483648"),
        (lambda: conv(padding=2**63 - 1), "padding must be an integer in 0..65535"),
        (lambda: conv(padding=True), "padding must be an integer in 0..65535, not True"),
        (lambda: conv(padding=10**5000), "not an integer of 16,610 bits"),
        (lambda: conv(groups=2**40), "groups must be >= 1 and divide"),
        (lambda: program(conv(), shape=(3, 2**24 + 1, 8)), "an integer in 1..16777216"),
        (lambda: program(conv(padding=65_535), shape=(3, 2**24, 8)), "at most 16777216 wide"),
    ],
)
def test_sizes_beyond_the_contract_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_strides_at_the_limit_run(monkeypatch):
    made = program(conv(stride=65_535, padding=3))
    images = np.full((2, 3, 8, 8), 15, np.uint8)
    expected = engine("golden")(made, images, "all")
    for name in BACKENDS:
        np.testing.assert_array_equal(engine(name)(made, images, "all").logits, expected.logits)


def test_long_chains_are_planned_in_a_straight_line():
    """A thousand layers, all kept: quadratic walks took 10 seconds."""
    stage = Threshold(tau=np.arange(15)[None], sign=[1])
    layers = [
        ThresholdLayer(name=f"t{i}", input=f"t{i - 1}" if i else "input", output=stage)
        for i in range(1000)
    ]
    made, images = program(*layers), np.arange(192, dtype=np.uint8).reshape(1, 3, 8, 8) % 16
    expected = engine("golden")(made, images, "all")
    found = engine("numba")(made, images, "all")
    for name, codes in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], codes)
