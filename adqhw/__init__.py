"""adqhw: learned-codebook CNNs from training to synthesizable, bit-exact RTL.

`adqhw.load_program(path)(images) -> logits` is all that running a program takes.

>>> import numpy as np
>>> import adqhw
>>> run = adqhw.load_program("tests/vectors/every_kind/program.safetensors")
>>> bool((run(np.load("tests/vectors/every_kind/images.npy"))
...       == np.load("tests/vectors/every_kind/logits.npy")).all())
True
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sim.runner import load_program
    from .spec.host.version import VERSION as __version__

__all__ = ["__version__", "load_program"]


def __getattr__(name: str) -> Any:
    """Import the simulator at its first use, so that `import adqhw` stays fast."""
    if name == "load_program":
        from .sim.runner import load_program

        return load_program
    if name == "__version__":
        from .spec.host.version import VERSION

        return VERSION
    raise AttributeError(f"module 'adqhw' has no attribute {name!r}")
