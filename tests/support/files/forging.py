"""Program files with a chosen defect, sealed again so that only the content can be refused."""

import json

import numpy as np
from safetensors.numpy import save as save_safetensors

from adqhw.spec.coding.contents import canonical, sha256
from adqhw.spec.program_file import HEADER, encode


def forge(program, change, *, seal=True):
    """Bytes of a file whose header and tensors `change(header, tensors)` edited."""
    encoded = encode(program)
    header = json.loads(json.dumps(encoded.header))
    tensors = {name: array.copy() for name, array in encoded.tensors.items()}
    change(header, tensors)
    if seal:
        return forge_parts(header, tensors)
    return save_safetensors(tensors, metadata={HEADER: canonical(header)})


def forge_parts(header, tensors):
    """Bytes of a file of these parts, with digest and checksum that fit them."""
    bare = {key: value for key, value in header.items() if key != "provenance"}
    sealed = {**header, "digest": sha256(bare, tensors), "checksum": sha256(header, tensors)}
    return save_safetensors(tensors, metadata={HEADER: canonical(sealed)})


def set_header(key, value):
    return lambda header, tensors: header.__setitem__(key, value)


def set_layer(index, key, value):
    return lambda header, tensors: header["layers"][index].__setitem__(key, value)


def falling_thresholds(header, tensors):
    """In programs.every_kind: the thresholds of channel 1 of mac3 fall."""
    tau = tensors["mac3.tau"]
    tau[1] = np.arange(len(tau[1]), 0, -1)


def code_outside_codebook(header, tensors):
    """mac3 keeps its codes but loses all levels but zero."""
    header["layers"][3]["codebook"] = header["layers"][3]["codebook"][:1]


def overflowing_accumulator(header, tensors):
    """Input codes of 31 bits: the first sums need more than 32."""
    header["input_format"] = "u31"
