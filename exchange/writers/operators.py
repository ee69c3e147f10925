"""The operators of our own in QONNX files, for qonnx, which looks for a domain's module.

`Codebook(codes, table) -> levels`: `levels[i] = table[codes[i]]`. codes: uint8 of any shape; table:
float32 (levels,), table[0] = 0; attribute `width`: bits of a code in hardware.
"""

from typing import Any

from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.custom_op.base import CustomOp

__all__ = ["Codebook"]


class Codebook(CustomOp):
    """Weights looked up in the table of their layer."""

    def get_nodeattr_types(self) -> dict[str, Any]:
        return {"width": ("i", True, 0)}

    def make_shape_compatible_op(self, model: Any) -> Any:
        """A standard node with the same shapes."""
        node = self.onnx_node
        return helper.make_node("Cast", [node.input[0]], [node.output[0]], to=TensorProto.FLOAT)

    def infer_node_datatype(self, model: Any) -> None:
        node = self.onnx_node
        table = model.get_initializer(node.input[1])
        low, high = int(table.min()), int(table.max())
        width = max(-low - 1, high, 1).bit_length() + 1
        model.set_tensor_datatype(node.output[0], DataType[f"INT{width}"])

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        node = self.onnx_node
        context[node.output[0]] = context[node.input[1]][context[node.input[0]]]

    def verify_node(self) -> list[str]:
        """What is wrong with the node."""
        return [] if len(self.onnx_node.input) == 2 else ["Codebook needs codes and a table"]
