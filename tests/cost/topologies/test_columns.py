"""Headers and columns of topologies: every spelling that SCALE-Sim takes, nothing left out.

Spellings: the readers and the writer of github.com/scalesim-project/SCALE-Sim
(scalesim/topology_utils.py, 3.0.0 and the one that reads by name), and headers in public use.
"""

import pytest

from adqhw.cost.topologies import topology
from adqhw.cost.topologies.assumed import Assumptions, assumed_network
from adqhw.cost.topologies.systolic import Dataflow, layer_systolic
from adqhw.cost.topologies.topology import load_topology, parse_topology
from adqhw.spec import InputError

SIZES = "IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
HEADER = f"Layer name, {SIZES}Strides,"
ROW = "A, 9, 8, 3, 2, 5, 7, 2,"


def only(text: str):
    """The single layer of a topology."""
    (layer,) = parse_topology(text, "net.csv").layers
    return layer


EXPECTED = only(f"{HEADER}\n{ROW}\n")


SPELLINGS = [
    HEADER.lower(),
    f"Layer name,{SIZES.replace(' Height', ' height').replace(' Width', ' width')}Stride height,",
    f"layer, {SIZES.replace('Num Filter', 'Num Filters')}Strides,",
    f"Layer, {SIZES.replace('Channels', 'Channel')}Stride,",
    "Layer, ifmap_h, ifmap_w, filter_h, filter_w, num_channels, num_filters, stride_h,",
    "L , IFMAP-Height , IFMAP  Width ,Filter Height ,Filter Width,Channels,filters,Strides H",
    ", ".join(f'"{cell.strip()}"' for cell in HEADER.split(",")),
]


@pytest.mark.parametrize("header", SPELLINGS)
def test_every_spelling_of_the_sizes_is_taken(header):
    assert only(f"{header}\n{ROW}\n") == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{ROW[:-1]}",
        f"{HEADER[:-1]}\n{ROW}",
        f"\ufeff{HEADER}\r\n{ROW}\r\n",
        f"{HEADER}\r{ROW}\r",
        f'{HEADER}\n"A", "9", 8, 3, "2", 5, 7, 2,\n\n,,,,,,,\n',
        f"{HEADER}\n{ROW}#dw",
        f"{HEADER}\nA, 009, 8, 3, 2, 5, 7, 2,",
    ],
)
def test_rows_as_other_programs_write_them_are_taken(tmp_path, text):
    path = tmp_path / "net.csv"
    path.write_bytes(text.encode())
    (layer,) = load_topology(path).layers
    assert layer == EXPECTED


def test_products_are_taken_in_either_case():
    for header in ("Layer,M,N,K,", "L,m,n,k", "Layer, M , N , K, Batch, Sparsity,"):
        layer = only(f"{header}\nA,3,4,5\n")
        assert (layer.pixels, layer.filters, layer.window) == (3, 4, 5)


def test_a_second_stride_makes_its_own_width():
    """Of 9 x 8 under 3 x 2: ceil((9 - 3 + 2) / 2) = 4 rows, ceil((8 - 2 + 3) / 3) = 3 columns."""
    header = f"Layer name, {SIZES}Stride Height, Stride Width,"
    layer = only(f"{header}\nA, 9, 8, 3, 2, 5, 7, 2, 3,\n")
    assert (layer.out_height, layer.out_width) == (4, 3)
    assert only(f"{header}\nA, 9, 8, 3, 2, 5, 7, 2, 2,\n") == EXPECTED
    cycles = layer_systolic(layer, 16, 16, Dataflow.OUTPUT).cycles
    assert cycles == 12 // 12 * (30 + 16 + 16 - 2) - 1
    network = assumed_network(parse_topology(f"{header}\n{ROW[:-1]}, 3", "n.csv"), Assumptions())
    assert network.layers[0].stride == (2, 3)
    with pytest.raises(InputError, match=r"column 9 \(Stride Width\) must be a positive integer"):
        only(f"{header}\n{ROW}\n")


TAKEN = [
    ("Batch Size", ["", "1", "01"], ["2", "0", "-1", "one", "1.0"]),
    ("Batch", ["1"], ["16"]),
    ("Sparsity", ["", "1:1", "4:4", "1", "04:4"], ["1:2", "2:1", "0:0", "1:", "0", ":", "1:10"]),
    ("sparsity_ratio", ["2 : 2"], ["2:4"]),
    ("Padding", ["", "0", "00"], ["1", "same", "-1"]),
    ("Padding Height", ["0"], ["3"]),
    ("Dilation", ["", "1"], ["2", "0"]),
    ("Groups", ["", "1"], ["32"]),
    ("Remarks", ["", "anything", "5"], []),
]


@pytest.mark.parametrize(("column", "taken", "refused"), TAKEN, ids=lambda v: str(v)[:20])
@pytest.mark.parametrize("form", ["convolution", "product"])
def test_other_columns_say_nothing_or_are_refused(form, column, taken, refused):
    head, row = (HEADER, ROW) if form == "convolution" else ("Layer,M,N,K,", "A,3,4,5,")
    number = len(head.split(","))
    for value in taken:
        assert only(f"{head}{column}\n{row}{value}\n") == only(f"{head}\n{row}\n")
    for value in refused:
        with pytest.raises(InputError) as caught:
            only(f"{head}{column},\n{row}{value},\n")
        assert f"row 2 (A), column {number} (" in str(caught.value)
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("MACCycle", "column 9 must be Stride Width, Batch Size, Sparsity, .* not 'MACCycle'"),
        ("Batch, batch", "column 10 must stand once, not again: 'batch'"),
        ("Stride Width, Stride W", "column 10 must be Stride Width, .* not 'Stride W'"),
        ("IFMAP Offset", "not 'IFMAP Offset'"),
    ],
)
def test_a_column_that_nobody_knows_is_refused(columns, message):
    with pytest.raises(InputError, match=message):
        only(f"{HEADER} {columns}\n{ROW}\n")


def test_the_number_of_layers_is_bounded():
    rows = "A,1,1,1\n" * topology.MAX_LAYERS
    assert len(parse_topology(f"Layer,M,N,K\n{rows}", "n.csv").layers) == topology.MAX_LAYERS
    with pytest.raises(InputError, match="must have at most 5,000 layers, not more"):
        parse_topology(f"Layer,M,N,K\n{rows}A,1,1,1", "n.csv")


def test_the_size_of_a_file_is_bounded(tmp_path):
    path = tmp_path / "net.csv"
    path.write_bytes(b"\n" * (topology.MAX_BYTES + 1))
    with pytest.raises(InputError, match="Topology must have at most 8,388,608 bytes"):
        load_topology(path)
