"""Activations and streams of a quantized run, taken over by the next run at other widths.

A 3-bit network trains best from the 4-bit one (docs/papers.md 5.2 for 2 bits). Its weights are
latent there, so ranges measured on the float graph would be those of another network;
the learned ones fit. Codebooks start anew: EMA brings them to the new weights.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..networks.network import Network
from ..quantizers.activation import ThresholdActivation
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer


@torch.no_grad()
def carry_quantizers(model: Network, state: Mapping[str, Tensor]) -> list[str]:
    """Copy learned parameters of same-named quantizers from ``state``; return the names carried.

    A threshold activation of another width gets even segments over the learned range.
    """
    carried = []
    for name, module in model.named_modules():
        if not isinstance(module, LowBitActivation | StreamQuantizer):
            continue
        own = dict(module.named_parameters())
        learned = {key: state[f"{name}.{key}"] for key in own if f"{name}.{key}" in state}
        if not learned or set(learned) != set(own):
            continue
        if all(learned[key].shape == own[key].shape for key in own):
            for key, parameter in own.items():
                parameter.copy_(learned[key])
        elif isinstance(module, ThresholdActivation):
            module.initialise(float(learned["lengths"].sum() / learned["gain"]))
            module.start.copy_(learned["start"])
        else:
            continue
        carried.append(name)
    return carried
