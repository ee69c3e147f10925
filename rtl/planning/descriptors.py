"""Descriptors: what passes of every kind have, their output stage, where results go."""

from typing import assert_never

from ...spec.activation import Threshold
from ...spec.formats import IntFormat
from ...spec.layers import Layer
from ...spec.program import INPUT
from ...spec.requant import Requant
from ..arch.arch import Arch
from ..layouts.descriptor import LAYER_WIDTH, PassKind, limit
from ..layouts.words import Word
from ..networks.plans import Plan
from ..timing.tables import output_of
from .walks import HeldWalks


class Descriptors:
    """Parts of the descriptors of a plan, which has no passes yet."""

    def __init__(self, arch: Arch, plan: Plan) -> None:
        self.arch, self.plan, self.program = arch, plan, plan.program
        self.walks = HeldWalks(arch=arch, program=plan.program, placement=plan.placement)
        names = [INPUT, *(layer.name for layer in plan.program.layers)]
        self.numbers = {name: number for number, name in enumerate(names)}
        limit("Number of a layer", len(names) - 1, LAYER_WIDTH)

    def word(self, name: str, kind: PassKind) -> Word:
        """A descriptor without geometry; number 0 is the input."""
        number = self.numbers[name]
        return {"kind": int(kind), "layer": number, "stage": {}, "walk": {}, "feed": {}, "fold": {}}

    def stage(self, word: Word, layer: Layer, first: int = 0) -> None:
        """The output stage of a layer and its first row of parameters, for channels from `first`
        on; also of the thresholds chained to it."""
        output = output_of(layer)
        match output:
            case Requant():
                out, values = output.format, {"shift": output.shift}
                values["skip_multiplier"] = output.skip_multiplier
            case Threshold():
                out, values = IntFormat(width=1), {}
            case _:
                assert_never(output)
        word["stage"] |= {
            **values,
            "requant": int(isinstance(output, Requant)),
            "skip": int(layer.skip is not None),
            "out_min": out.min,
            "out_max": out.max,
        }
        self._parameters(word, layer, first, "shared", "parameter_base")
        chained = self.plan.chains.get(layer.name)
        if chained is not None:
            word["second_layer"], word["stage"]["chained"] = self.numbers[chained], 1
            second = self.program.layer(chained)
            self._parameters(word, second, first, "second_shared", "second_base")

    def _parameters(self, word: Word, layer: Layer, first: int, shared: str, base: str) -> None:
        row = self.plan.tables.parameters[layer.name]
        one = output_of(layer).channels == 1
        word["stage"][shared] = int(one)
        word["walk"][base] = row if one else row + first // self.arch.out_lanes

    @staticmethod
    def to_stream(word: Word) -> None:
        word["to_stream"] = word["walk"]["narrow"] = 1
        word["walk"]["write"]["banks"] = 0

    def channels(self, tensor: str) -> int:
        return self.program.tensor_shape(tensor)[0]
