"""The engines under test, each behind one plain function `run(program, images, keep)`."""

from adqhw.flows.engines import ENGINES, engine

GOLDEN = "golden"
RTL = "rtl"
BACKENDS = sorted(set(ENGINES) - {GOLDEN, RTL})
"""Those that take milliseconds, for thousands of cases; `rtl` builds a simulation for each."""


def run(name, program, images):
    """Result of backend `name` with every tensor kept."""
    return engine(name)(program, images, "all")


def run_rtl(program, images, build_dir, simulator):
    """The same of `rtl`, on a small array."""
    options = {"rows": 2, "cols": 3, "simulator": simulator, "build_dir": build_dir}
    return engine(RTL)(program, images, "all", **options)
