"""`uniform`: a plain multiplier on stored levels, the baseline that lookup must beat."""

from amaranth.hdl import Value

from ..arch.arch import Arch
from .digits import MICRO as DIGITS
from .micro import Micro
from .multiplying import MacColumn, Multiplying


class UniformColumn(MacColumn):
    """Every field is a level; the codebook and bypass ports are not used."""

    def level(self, weight: Value) -> Value:
        return weight.as_signed()


class Uniform(Multiplying):
    """A multiplier on stored levels."""

    name = "uniform"
    marker, colour = "s", "#E69F00"
    stores_levels = True
    column = UniformColumn

    def narrowed(self, arch: Arch) -> Micro:
        return DIGITS


MICRO = Uniform()
