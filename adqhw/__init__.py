"""adqhw: learned-codebook CNNs from training to synthesizable, bit-exact RTL.

`adqhw.load_program(path)(images) -> logits` is all that running a program takes.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sim.runner import load_program

__all__ = ["__version__", "load_program"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the simulator only when it is asked for: the front door itself stays light."""
    if name == "load_program":
        from .sim.runner import load_program

        return load_program
    raise AttributeError(f"module 'adqhw' has no attribute {name!r}")
