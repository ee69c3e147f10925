"""The engines under test, each behind one plain function `run(program, images, keep)`."""

from adqhw.engines import ENGINES, engine

GOLDEN = "golden"
RTL = "rtl"
BACKENDS = sorted(set(ENGINES) - {GOLDEN, RTL})
"""Those that take milliseconds; `rtl` has cases of its own."""


def run(name, program, images):
    """Result of backend `name` with every tensor kept."""
    return engine(name)(program, images, "all")
