"""Bits of ports on the edge of a core, where cells face it."""

import needs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from placed_library import chain, placed_library

from adqhw.gates.placement.footprints import from_areas
from adqhw.gates.placement.placer import Placement, PlaceOptions, place
from adqhw.gates.placement.ports import Edge, port_places
from adqhw.gates.placement.wiring import wiring_of


def on_edge(edge: Edge, places) -> np.ndarray:
    x, y = places[:, 0], places[:, 1]
    return (x == 0) | (x == edge.width) | (y == 0) | (y == edge.height)


def test_bits_follow_the_angles_of_their_cells():
    """One to a quarter of the edge, from the right middle against the clock."""
    edge = Edge(width=100, height=60, faced=1.0)
    middle = np.array([(10.0, 30.0), (50.0, 5.0), (90.0, 30.0), (50.0, 55.0)])
    found = port_places(edge, middle)
    assert found.tolist() == [[10, 0], [90, 0], [90, 60], [10, 60]]


def test_half_of_the_edge_is_that_of_a_core_of_half_the_size_moved_outwards():
    whole = Edge(width=100, height=60, faced=0.5).places(4)
    assert whole.tolist() == [[70, 60], [30, 60], [30, 0], [70, 0]]
    inner = Edge(width=50, height=30, faced=1.0).places(4)
    assert (inner + np.array([25, 15])).tolist() == [[70, 45], [30, 45], [30, 15], [70, 15]]


@given(
    st.integers(20, 200), st.integers(20, 200), st.integers(1, 60), st.sampled_from([0.2, 0.5, 1.0])
)
def test_places_are_even_and_only_where_cells_face_the_edge(width, height, count, faced):
    edge = Edge(width=width, height=height, faced=faced)
    places = edge.places(count)
    assert on_edge(edge, places).all()
    along = np.array([_along(edge, *place) for place in places.tolist()])
    gaps = np.diff(np.sort(along)) % (2 * (width + height) * faced)
    step = 2 * (width + height) * faced / count
    if count > 1:
        assert np.abs(gaps - step).max() <= 1.0 + 1e-9  # rounded at both ends
    for side, at in ((width, places[:, 0]), (height, places[:, 1])):
        inside = (at > 0) & (at < side)
        assert (np.abs(at[inside] - side / 2) <= side * faced / 2 + 0.5).all()


def _along(edge: Edge, x: int, y: int) -> float:
    """The way to a place from the lower end of the right side's part, without what is skipped."""
    width, height = edge.width * edge.faced, edge.height * edge.faced
    before, below = (edge.width - width) / 2, (edge.height - height) / 2
    if x == edge.width and below - 0.5 <= y <= edge.height - below + 0.5:
        return y - below
    if y == edge.height:
        return height + edge.width - x - before
    if x == 0:
        return height + width + edge.height - y - below
    return 2 * height + width + x - before


def placed(**options) -> Placement:
    library = placed_library()
    wiring = wiring_of(chain(library, 12))
    return place(wiring, from_areas(library, 2.0), PlaceOptions(effort=1, **options))


def test_ports_of_an_empty_core_keep_out_of_its_corners():
    """Cells packed in a ninth of the core: ports are in the middle thirds of the sides."""
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    found = placed(utilization=0.05, density=0.45)
    for side, at in ((found.width, found.port_x), (found.height, found.port_y)):
        inside = (at > 0) & (at < side)
        assert (np.abs(at[inside] / side - 0.5) <= 1 / 6 + 0.01).all()
