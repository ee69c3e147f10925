"""LiteRT's reference kernels and TFLite-Micro as oracles: every tensor of one image."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np


def reference(data: bytes) -> Callable[[np.ndarray], Callable[[int], np.ndarray]]:
    """Runs an input (1, ...); the answer gives the tensor of an index."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    engine = Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    engine.allocate_tensors()

    def run(values: np.ndarray) -> Callable[[int], np.ndarray]:
        engine.set_tensor(engine.get_input_details()[0]["index"], values)
        engine.invoke()
        return engine.get_tensor

    return run


def micro(data: bytes) -> Callable[[np.ndarray], Callable[[int], np.ndarray]]:
    """Runs an input (1, ...); the answer gives the tensor of an index."""
    from tflite_micro.python.tflite_micro import runtime

    engine = runtime.Interpreter.from_bytes(
        data,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,  # spelled so
        arena_size=1 << 25,
    )

    def run(values: np.ndarray) -> Callable[[int], np.ndarray]:
        engine.set_input(values, 0)
        engine.invoke()
        return lambda index: engine.GetTensor(index, 0)["tensor_data"]

    return run


ENGINES = {"tflite-reference": reference, "tflite-micro": micro}


def present(dialects) -> list[str]:
    """The dialects whose engines are installed: TFLite-Micro is published as development builds."""
    absent = {"tflite-micro"} if find_spec("tflite_micro") is None else set()
    return [dialect for dialect in dialects if dialect not in absent]
