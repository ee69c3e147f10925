"""Made-up characterizations of a small program's lanes."""

from cost_nets import small_net

from adqhw.gates.array.structure import STRUCTURE
from adqhw.gates.model.fit import Fit
from adqhw.gates.model.parts import WIDTHS, Part, terms_of
from adqhw.rtl.program.fit import narrowest

PROGRAM = small_net()


def fit_of(micro: str, cost: float) -> Fit:
    arch = narrowest(PROGRAM, rows=4, cols=2, micro="decode")
    return Fit(
        library="made up",
        part=Part.ARRAY,
        name=micro,
        widths={name: getattr(arch, name) for name in WIDTHS[Part.ARRAY]},
        energy_fj=dict.fromkeys(terms_of(Part.ARRAY, micro), cost),
        area_um2=dict.fromkeys(STRUCTURE, 100.0),
        error_percent=3.0,
        sizes=((4, 2),),
    )
