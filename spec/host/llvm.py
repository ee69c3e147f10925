"""LLVM building blocks of kernels' intrinsics: vectors, loops and memory by address.

Addresses are plain int64: callers lay out every buffer, so kernels need no array
headers and no bounds. `Emitter` is a thin layer over llvmlite's IRBuilder.
"""

# mypy: disable-error-code="no-untyped-def"
# (Numba's builders of code have no types)

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, signature
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


class Emitter:
    """Writes LLVM code at the builder's position."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.ir = builder

    def number(self, value: int, kind: ir.Type = I64) -> ir.Constant:
        return ir.Constant(kind, value)

    def fill(self, value: float, kind: ir.VectorType) -> ir.Constant:
        """A constant with the same value in each lane."""
        return ir.Constant(kind, [value] * kind.count)

    def at(self, address: ir.Value, offset: int) -> ir.Value:
        """`address` plus `offset` bytes."""
        return self.ir.add(address, self.number(offset)) if offset else address

    def load(self, address: ir.Value, kind: ir.Type) -> ir.Value:
        """Value at `address`; no alignment is assumed."""
        value = self.ir.load(self.ir.inttoptr(address, kind.as_pointer()))
        value.align = 1
        return value

    def store(self, value: ir.Value, address: ir.Value) -> None:
        self.ir.store(value, self.ir.inttoptr(address, value.type.as_pointer())).align = 1

    def splat(self, scalar: ir.Value, lanes: int) -> ir.Value:
        """`scalar` in each lane."""
        kind = ir.VectorType(scalar.type, lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.ir.insert_element(undefined, scalar, self.number(0, I32))
        return self.ir.shuffle_vector(first, undefined, self.fill(0, ir.VectorType(I32, lanes)))

    def call(self, name: str, result: ir.Type, *operands: ir.Value) -> ir.Value:
        """Call of an LLVM intrinsic by its full name."""
        kind = ir.FunctionType(result, [operand.type for operand in operands])
        return self.ir.call(self.ir.module.declare_intrinsic(name, fnty=kind), operands)

    def clamp(self, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
        """Signed min(max(value, low), high), lane by lane."""
        kind = value.type
        suffix = f"v{kind.count}i{kind.element.width}"
        raised = self.call(f"llvm.smax.{suffix}", kind, value, low)
        return self.call(f"llvm.smin.{suffix}", kind, raised, high)

    @contextmanager
    def loop(self, count: ir.Value, states: list[ir.Value]) -> Iterator[tuple[ir.Value, list[Any]]]:
        """Body run for i in 0..count-1, count >= 1; `states` are replaced by their last values.

        Yields (i, current); the body overwrites the entries of `current` with the next values.
        """
        before = self.ir.block
        body = self.ir.append_basic_block("body")
        after = self.ir.append_basic_block("after")
        self.ir.branch(body)
        self.ir.position_at_end(body)
        index = self.ir.phi(I64)
        phis = [self.ir.phi(state.type) for state in states]
        current: list[Any] = list(phis)
        yield index, current
        following = self.ir.add(index, self.number(1))
        for phi, first, last in zip(
            [index, *phis], [self.number(0), *states], [following, *current], strict=True
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(last, self.ir.block)
        self.ir.cbranch(self.ir.icmp_signed("<", following, count), body, after)
        self.ir.position_at_end(after)
        states[:] = current


def by_address(emit: Callable[..., None]) -> Any:
    """An intrinsic of int64 arguments whose code is written by `emit(emitter, *arguments)`."""

    def typed(context, *arguments):
        result = types.void(*[types.int64] * len(arguments))

        def generate(target, builder, _signature, values):
            emit(Emitter(builder), *values)
            return target.get_dummy_value()

        return result, generate

    return intrinsic(_named(typed, emit))


def by_tag(emit: Callable[..., None]) -> Any:
    """Like `by_address`, with a tag as first argument: `emit(emitter, tag_class, *arguments)`."""

    def typed(context, tag, *arguments):
        result = types.void(tag, *[types.int64] * len(arguments))

        def generate(target, builder, _signature, values):
            emit(Emitter(builder), tag.instance_class, *values[1:])
            return target.get_dummy_value()

        return result, generate

    return intrinsic(_named(typed, emit))


def _named(typed: Callable[..., Any], emit: Callable[..., None]) -> Callable[..., Any]:
    """`typed` with the name and the argument names of `emit`, which Numba looks at."""
    typed.__name__ = typed.__qualname__ = emit.__name__.lstrip("_")
    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD)
    own = list(signature(emit).parameters.values())[1:]
    typed.__signature__ = Signature([context, *own])  # type: ignore[attr-defined]
    return typed
