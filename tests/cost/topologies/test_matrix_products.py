"""Matrix products as rows of a topology: every spelling of one costs the same on the lane array."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.cost.estimate.estimate import Estimate, estimate
from adqhw.cost.technology.technology import load
from adqhw.cost.topologies.assumed import Assumptions, assumed_network
from adqhw.cost.topologies.systolic import Dataflow, layer_systolic
from adqhw.cost.topologies.topology import LayerSize, Topology, parse_topology
from adqhw.rtl.arch.registry import names
from adqhw.rtl.program.fit import narrowest_lanes
from adqhw.spec import InputError

LITERATURE = load("literature45")
MICROS = tuple(m for m in names() if m != "shift_add")
HEADER = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
    "Strides,\n"
)


def cost(text: str, rows: int = 16, cols: int = 16, micro: str = "decode") -> Estimate:
    program = assumed_network(parse_topology(text, "net.csv"), Assumptions())
    return estimate(
        program, narrowest_lanes(program, rows=rows, cols=cols, micro=micro), LITERATURE
    )


def row(*sizes: int) -> str:
    return f"{HEADER}fc, {', '.join(map(str, sizes))},\n"


def spellings(m: int, k: int, n: int, part: int) -> list[str]:
    """M x K x N: K in the channels, in one direction of the filter, in both, split over all; M in
    the rows of the map, in its columns, or (where there is one) nowhere. part divides K."""
    rest = k // part
    texts = [
        f"Layer,M,N,K,\nfc,{m},{n},{k},\n",
        row(m, 1, 1, 1, k, n, 1),
        row(1, m, 1, 1, k, n, 1),
        row(m, k, 1, k, 1, n, 1),
        row(k, m, k, 1, 1, n, 1),
        row(m, part, 1, part, rest, n, 1),
        row(rest, m, rest, 1, part, n, 1),
    ]
    if m == 1:
        texts += [row(part, rest, part, rest, 1, n, stride) for stride in (1, 3)]
        texts += [row(1, k, 1, k, 1, n, 2), row(part, 1, part, 1, rest, n, 7)]
    return texts


@st.composite
def products(draw: st.DrawFn) -> tuple[int, int, int, int]:
    m, n = draw(st.sampled_from([1, 1, 2, 7, 33])), draw(st.integers(1, 70))
    part, rest = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    return m, part * rest, n, part


@settings(max_examples=25)
@given(products(), st.sampled_from([(16, 16), (4, 8), (1, 3)]), st.sampled_from(MICROS))
def test_every_spelling_of_a_product_costs_the_same(product, size, micro):
    costs = [cost(text, *size, micro).to_dict() for text in spellings(*product)]
    assert all(other == costs[0] for other in costs[1:])


def test_a_classifier_is_costed_as_the_convolution_that_it_is():
    """1024 x 1024 on 16 x 16 lanes: 64 column blocks of 64 beats, and 48 cycles around them."""
    wide = cost(row(1, 1024, 1, 1024, 1, 1024, 1))
    plain = cost(row(1, 1, 1, 1, 1024, 1024, 1))
    assert wide.cycles == plain.cycles == 64 * 64 + 48
    assert wide.energy == plain.energy
    assert wide.total_area == plain.total_area


def test_strided_and_overlapping_windows_stay_convolutions():
    """A filter of 3 over a map of 5 shares operands; a 1x1 one with stride 2 leaves some out."""
    for sizes in ((5, 1, 3, 1, 4, 2, 1), (5, 5, 1, 1, 4, 2, 2), (5, 3, 2, 3, 4, 2, 1)):
        size = parse_topology(row(*sizes), "n.csv").layers[0]
        assert size.as_product() == size
    strided = parse_topology(row(9, 6, 1, 6, 4, 2, 2), "n.csv").layers[0].as_product()
    assert (strided.height, strided.width, strided.channels, strided.out_height) == (9, 1, 24, 5)
    deep = parse_topology(row(5, 5, 5, 5, 4, 1, 1).replace("fc", "DP"), "n.csv").layers[0]
    assert deep.as_product() == deep


sides = st.integers(1, 6)


@settings(max_examples=200)
@given(st.lists(sides, min_size=4, max_size=4), sides, sides, st.integers(1, 3))
def test_a_product_has_the_outputs_the_terms_and_the_work_of_its_row(sides, channels, n, stride):
    height, width, filter_height, filter_width = sides
    size = LayerSize(
        name="x", height=max(height, filter_height), width=max(width, filter_width),
        filter_height=filter_height, filter_width=filter_width, channels=channels, filters=n,
        stride=stride,
    )  # fmt: skip
    product = size.as_product()
    for what in ("pixels", "window", "macs", "filters"):
        assert getattr(product, what) == getattr(size, what)
    assert product.as_product() == product
    for dataflow in Dataflow:  # SCALE-Sim sees extents only
        one, other = (layer_systolic(s, 8, 4, dataflow) for s in (size, product))
        assert (one.cycles, one.folds) == (other.cycles, other.folds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row(1, 1, 1, 1, 2_000_000_000, 1, 1), "'fc' must have at most 1,118,481 terms in a sum"),
        (row(1, 2**31 - 1, 1, 2**31 - 1, 1, 1, 1), "'fc' must have at most 1,118,481 terms"),
        (row(1, 1, 1, 1, 1, 2_000_000_000, 1), "'fc' must have at most 16,777,216 channels"),
        (row(2**31 - 1, 2**31 - 1, 1, 1, 1, 1, 1), "must have less than 2^53 multiplications"),
        (row(2**31 - 1, 2**20, 1, 1, 7, 1, 2**15), "must have less than 2^53 activations"),
        (row(9, 9, 3, 3, 2**20, 1, 1).replace("fc", "DP"), "at most 262,144 channels in depth-wi"),
        (f"Layer,M,N,K\nfc,{2**31 - 1},{2**31 - 1},{2**31 - 1}", "terms in a sum of 32 bits"),
    ],
)
def test_a_layer_that_no_array_holds_is_named(text, message):
    topology = parse_topology(text, "net.csv")
    with pytest.raises(InputError) as caught:
        assumed_network(topology, Assumptions())
    assert message in str(caught.value)
    for dataflow in Dataflow:  # the systolic array only counts
        assert layer_systolic(topology.layers[0], 16, 16, dataflow).cycles > 0


def test_the_widest_sum_that_is_taken_fits_the_widest_accumulator():
    """128 x 15 x 1,118,481 is below 2^31, one term more is not."""
    size = LayerSize(name="x", height=1, width=1, filter_height=1, filter_width=1,
                     channels=1_118_481, filters=1, stride=1)  # fmt: skip
    program = assumed_network(Topology(name="n", layers=(size,)), Assumptions())
    assert narrowest_lanes(program, rows=16, cols=16).acc_width == 32
    wider = Topology(name="n", layers=(replace(size, channels=1_118_482),))
    with pytest.raises(InputError, match="terms in a sum"):
        assumed_network(wider, Assumptions())
