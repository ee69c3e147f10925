"""Choice of the instructions: by processor, or forced; refused where they would not run."""

import pytest

from adqhw.sim.kernels.simd import Avx2, Portable, Vnni256, Vnni512, choose, cpu_features, supported
from adqhw.spec.errors import InputError

OLD = frozenset({"sse2"})
HASWELL = frozenset({"avx", "avx2", "fma"})
ALDER_LAKE = HASWELL | {"avxvnni"}
ICE_LAKE = HASWELL | {"avx512f", "avx512bw", "avx512vnni", "avx512vbmi"}


@pytest.mark.parametrize(
    ("features", "tag", "modes"),
    [
        (OLD, Portable, ("portable",)),
        (HASWELL, Avx2, ("avx2", "portable")),
        (ALDER_LAKE, Vnni256, ("vnni", "avx2", "portable")),
        (ICE_LAKE, Vnni512, ("vnni", "avx2", "portable")),
    ],
)
def test_fastest_supported(features, tag, modes):
    assert type(choose(None, features)) is tag
    assert supported(features) == modes


def test_this_processor_can_run_its_choice():
    assert supported(cpu_features())[-1] == "portable"


def test_forced_but_not_supported():
    with pytest.raises(InputError, match=r"supports \(avx2, portable\), not 'vnni'"):
        choose("vnni", HASWELL)


def test_unknown_mode():
    with pytest.raises(InputError, match="must be one of vnni, avx2, portable, not 'sse9'"):
        choose("sse9")
