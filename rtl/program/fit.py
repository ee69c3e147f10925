"""The memories a program needs, and the refusal that names the one that is too small."""

from dataclasses import asdict, replace
from typing import Any

from ...spec.errors import InputError
from ...spec.program import INPUT, Program, SizedNetwork
from ..accelerator.ports import Target
from ..arch.arch import RANGES, Arch, RequantWidths
from ..arch.registry import DEFAULT
from ..arch.storage import Storage
from ..networks.demands import REQUANT_FIELDS, check_program, demands
from ..networks.plans import Plan
from ..planning.outside import check_jobs, external_plan
from ..planning.passes import held_plan
from .passes import plan

NAMES = {
    "code_width": ("stored activation code", "bits"),
    "activation_words": ("activation memory", "words per bank"),
    "weight_rows": ("weight-code memory", "rows per plane bank"),
    "threshold_rows": ("threshold memory", "rows"),
    "requant_rows": ("requant memory", "rows"),
    "codebook_rows": ("codebook memory", "rows"),
    "passes": ("descriptor memory", "rows"),
}


def needed(arch: Arch, planned: Plan) -> Storage:
    """The least memories for a plan; those that jobs fill are as they are."""
    program, streamed = planned.program, frozenset[int]()
    if planned.outside is not None:
        streamed = planned.outside.streamed
    stored = [INPUT, *(name for name in planned.placement.tensors if name != INPUT)]
    weights = {id(entry.fields): entry.planes for entry in planned.passes}
    rows = {
        "weight_rows": (Target.WEIGHTS, max(1, -(-sum(weights.values()) // arch.plane_banks))),
        "threshold_rows": (Target.THRESHOLDS, planned.tables.threshold_rows),
        "requant_rows": (Target.REQUANTS, planned.tables.requant_rows),
    }
    return Storage(
        code_width=max(program.tensor_format(name).width for name in stored),
        activation_words=planned.placement.words,
        codebook_rows=planned.tables.codebook_rows,
        passes=len(planned.passes),
        **{
            name: getattr(arch.storage, name) if target in streamed else least
            for name, (target, least) in rows.items()
        },
    )


def plan_of(arch: Arch, program: Program) -> Plan:
    """The passes of `program`, by the planner of the array's kind."""
    if arch.external is not None:
        return external_plan(arch, program)
    return held_plan(arch, program) if arch.holds else plan(arch, program)


def with_memories(arch: Arch, program: Program) -> Arch:
    """`arch` with the least memories that hold `program`."""
    return replace(arch, storage=needed(arch, plan_of(arch, program)))


def narrowest(
    program: Program,
    *,
    rows: int,
    cols: int,
    micro: str = DEFAULT,
    hold: int = 1,
    fill: int = 1,
    out_lanes: int = 1,
    multiply_width: int | None = None,
) -> Arch:
    """The Arch with the least of everything on which `program` runs.

    multiply_width: of `Arch`, if levels have as many bits.
    """
    arch = narrowest_lanes(
        program, rows=rows, cols=cols, micro=micro, hold=hold, fill=fill, out_lanes=out_lanes,
        multiply_width=multiply_width,
    )  # fmt: skip
    return with_memories(arch, program)


def narrowest_lanes(
    program: SizedNetwork,
    *,
    rows: int,
    cols: int,
    micro: str = DEFAULT,
    hold: int = 1,
    fill: int = 1,
    out_lanes: int = 1,
    multiply_width: int | None = None,
) -> Arch:
    """The same with `storage` as it is by default, for models that only cost the array.

    The least memories need the whole plan of the program, seconds for millions of weights.
    """
    least: dict[str, int] = {"weight_width": 2, "level_width": 2, "act_width": 1}
    least |= {"threshold_width": 1, "multiplier_width": 2, "bias_width": 2, "shift_max": 0}
    least |= {"skip_multiplier_width": 2, "skip_width": 2, "acc_width": 2, "out_width": 2}
    least |= {"channels": 1, "axes": 1}
    size: dict[str, Any] = {"rows": rows, "cols": cols, "micro": micro}
    size |= {"hold": hold, "fill": fill, "out_lanes": out_lanes}
    widest = RANGES["level_width"][1]
    arch = Arch(**size, level_width=widest, multiply_width=multiply_width)  # refuses a size or name
    least |= arch.lanes.least
    for need in demands(arch.lanes, program, rows=rows, cols=cols):
        if not (arch.holds and need.parameter == "axes"):  # every pass has both axes
            least[need.parameter] = max(least[need.parameter], need.value)
    if multiply_width is not None:
        size["multiply_width"] = min(multiply_width, least["level_width"])
    nested = {name: least.pop(name) for name in sorted(REQUANT_FIELDS)}
    return Arch(**(size | least), requant=RequantWidths(**nested))


def covering(
    programs: list[Program],
    *,
    rows: int,
    cols: int,
    micro: str,
    hold: int = 1,
    fill: int = 1,
    out_lanes: int = 1,
    multiply_width: int | None = None,
) -> Arch:
    """The narrowest Arch on which each of `programs` runs."""
    size = {"rows": rows, "cols": cols, "hold": hold, "fill": fill, "out_lanes": out_lanes}
    archs = [
        asdict(narrowest(program, micro=micro, multiply_width=multiply_width, **size))
        for program in programs
    ]
    merged = archs[0]
    for other in archs[1:]:
        merged = _larger(merged, other)
    return Arch.from_dict(merged)


def _larger(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = dict(one)  # neither has external memory: that is no need of a program
    for key, value in one.items():
        if value is not None:
            nested = isinstance(value, dict)
            merged[key] = _larger(value, other[key]) if nested else max(value, other[key])
    return merged


def check_storage(arch: Arch, program: Program) -> Plan:
    """The plan of `program`; refuse what the accelerator cannot do, before anything is built.

    Lanes and output stage (`check_program`), geometry (`passes.plan`), then memories that are too
    small, by name and by how much.
    """
    check_program(arch, program)
    planned = plan_of(arch, program)
    storage = needed(arch, planned)
    for name, (what, unit) in NAMES.items():
        least, available = getattr(storage, name), getattr(arch.storage, name)
        if available < least:
            raise InputError(
                f"Arch storage {name} must be at least {least} for this program, not {available}: "
                f"the {what} is {least - available} {unit} too small"
            )
    if planned.outside is not None:
        check_jobs(arch, planned)
    return planned
