"""The memories a program needs, and the refusal that names the one that is too small."""

from dataclasses import replace

from ..spec.errors import InputError
from ..spec.program import INPUT, Program
from .arch import Arch
from .passes import Plan, plan
from .storage import Storage

NAMES = {
    "code_width": ("stored activation code", "bits"),
    "activation_words": ("activation memory", "words per bank"),
    "weight_rows": ("weight-code memory", "rows per plane bank"),
    "threshold_rows": ("threshold memory", "rows"),
    "requant_rows": ("requant memory", "rows"),
    "codebook_rows": ("codebook memory", "rows"),
    "passes": ("descriptor memory", "rows"),
}


def needed(arch: Arch, made: Plan) -> Storage:
    """The least memories for a plan."""
    program = made.program
    stored = [INPUT, *(name for name in made.placement.tensors if name != INPUT)]
    planes = sum(entry.planes for entry in made.passes)
    return Storage(
        code_width=max(program.tensor_format(name).width for name in stored),
        activation_words=made.placement.words,
        weight_rows=max(1, -(-planes // arch.plane_banks)),
        threshold_rows=made.tables.threshold_rows,
        requant_rows=made.tables.requant_rows,
        codebook_rows=made.tables.codebook_rows,
        passes=len(made.passes),
    )


def with_memories(arch: Arch, program: Program) -> Arch:
    """`arch` with the least memories that hold `program`."""
    return replace(arch, storage=needed(arch, plan(arch, program)))


def check_storage(arch: Arch, program: Program) -> Plan:
    """The plan of `program`; refuse whatever the accelerator cannot do, before anything is built.

    Lanes and output stage (`fit.check`), geometry (`passes.plan`), then memories that are too
    small, by name and by how much.
    """
    arch.check_program(program)
    made = plan(arch, program)
    storage = needed(arch, made)
    for name, (what, unit) in NAMES.items():
        least, available = getattr(storage, name), getattr(arch.storage, name)
        if available < least:
            raise InputError(
                f"Arch storage {name} must be at least {least} for this program, not {available}: "
                f"the {what} is {least - available} {unit} too small"
            )
    return made
