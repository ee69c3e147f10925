"""adqhw: learned-codebook CNNs from training to synthesizable, bit-exact RTL.

Ten functions, each importing what it needs at its first use: `quantize` a PyTorch module or
`calibrate` one without training, `import_model` from ONNX, QONNX or TFLite, `load_program`,
`simulate`, `export_onnx`, `emit_verilog`, `cosimulate`, `estimate`, `sweep`.

`adqhw.load_program(path)(images) -> logits` is all that running a program takes.

>>> import numpy as np
>>> import adqhw
>>> run = adqhw.load_program("tests/vectors/every_kind/program.safetensors")
>>> bool((run(np.load("tests/vectors/every_kind/images.npy"))
...       == np.load("tests/vectors/every_kind/logits.npy")).all())
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adq.frontend.config import QuantizeConfig
    from .adq.frontend.quantize import quantize
    from .exchange.dialects import import_model
    from .flows.face import (
        calibrate,
        cosimulate,
        emit_verilog,
        estimate,
        export_onnx,
        simulate,
        sweep,
    )
    from .sim.runner import load_program
    from .spec.host.version import VERSION as __version__

_HOMES = {
    "QuantizeConfig": "adq.frontend.config",
    "calibrate": "flows.face",
    "cosimulate": "flows.face",
    "emit_verilog": "flows.face",
    "estimate": "flows.face",
    "export_onnx": "flows.face",
    "import_model": "exchange.dialects",
    "load_program": "sim.runner",
    "quantize": "adq.frontend.quantize",
    "simulate": "flows.face",
    "sweep": "flows.face",
}
"""Module of each public function: imported at its first use, so that `import adqhw` stays fast."""

__all__ = [
    "QuantizeConfig",
    "__version__",
    "calibrate",
    "cosimulate",
    "emit_verilog",
    "estimate",
    "export_onnx",
    "import_model",
    "load_program",
    "quantize",
    "simulate",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name == "__version__":
        from .spec.host.version import VERSION

        return VERSION
    raise AttributeError(f"module 'adqhw' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
