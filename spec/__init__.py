"""The numeric contract: formats, codebook, thresholds, requant, program, golden interpreter."""

from .activation import Threshold
from .codebook import Codebook, encode
from .engines import Result, logits_sha256
from .errors import ContractError, InputError
from .formats import IntFormat
from .layers import LayerKind, MacLayer, PoolLayer, Skip, ThresholdLayer
from .program import CONTRACT_VERSION, INPUT, Program
from .requant import Requant

__all__ = [
    "CONTRACT_VERSION",
    "INPUT",
    "Codebook",
    "ContractError",
    "InputError",
    "IntFormat",
    "LayerKind",
    "MacLayer",
    "PoolLayer",
    "Program",
    "Requant",
    "Result",
    "Skip",
    "Threshold",
    "ThresholdLayer",
    "encode",
    "logits_sha256",
]
