"""`adqhw estimate --gates`: the lane array and the output stage by files of `characterize`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...console import say, show_table
from ...spec.errors import InputError
from ...spec.program import Program

if TYPE_CHECKING:
    from ...cost.estimate.estimate import Estimate
    from ...cost.estimate.model import Timings
    from ...cost.estimate.operation import GatePath
    from ...cost.technology.technology import Technology
    from ...gates.model.estimate import ArrayEstimate, OutputEstimate
    from ...gates.model.fit import Fit
    from ...gates.model.library import GateLibrary
    from ...gates.model.operands import Operands
    from ...rtl.arch.arch import Arch
    from ...spec.formats import IntArray

GATE_IMAGES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ByGates:
    """Figures of the characterizations."""

    lanes: "ArrayEstimate"
    behind: "OutputEstimate | None" = None
    """The output stage of an array of the first kind."""
    rest: "ArrayEstimate | None" = None
    """Of an array that holds weights, without its memories of sums."""
    paths: "tuple[GatePath, ...]" = ()
    """The longest path of each part, as far as the files say it."""
    placed: bool = False
    """Wires and a clock tree are in the energies."""


def library_of(paths: Sequence[Path]) -> "GateLibrary":
    """The characterizations at `paths`."""
    from ...gates.model.library import read_all

    libraries = read_all(paths)
    if len(libraries) > 1:
        raise InputError(f"Gates must be of one library, not of {', '.join(libraries)}")
    (library,) = libraries.values()
    return library


def operands_of(program: Program, images: "IntArray | None") -> "Operands":
    """Operands of the first images, which toggles are counted of."""
    from ...gates.model.operands import Operands

    if images is None:
        raise InputError("Images must be given with --data or --input: toggles need operands")
    return Operands.of_images(program, images[:GATE_IMAGES])


def gates_of(
    operands: "Operands",
    array: "Arch",
    library: "GateLibrary",
    timings: "Timings",
    technology: "Technology",
) -> ByGates:
    """Lane array and output stage by the characterizations of a library.

    timings: of `array`. technology: of the events; sums in memories are a sum of both, so it is of
    the library's node where there are any.
    """
    from ...cost.estimate.model import timings_of
    from ...gates.model.estimate import array_estimate, fitting, output_estimate
    from ...rtl.networks.demands import check_program

    program = operands.program
    if array.holds:
        library.of_node([technology])
    wide, fit = fitting(array, library.lanes(holds=array.holds))
    try:
        check_program(wide, program)
    except InputError as error:
        raise InputError(
            f"Characterized lanes must be wide enough for the program: {error}"
        ) from error
    toggles = operands.toggles(wide)
    times = timings_of(wide, program)
    lanes = array_estimate(program, wide, fit, toggles, asked=array, timings=times)
    if array.holds:
        bare = fit.without_sums()
        rest = array_estimate(program, wide, bare, toggles, asked=array, timings=times)
        return ByGates(lanes=lanes, rest=rest, placed=fit.placed, paths=_paths([fit]))
    if not library.units:
        return ByGates(lanes=lanes, placed=fit.placed, paths=_paths([fit]))
    behind = output_estimate(program, array, library.units, operands, timings=timings)
    delays = _paths([fit, *library.units.values()])
    return ByGates(lanes=lanes, behind=behind, placed=fit.placed, paths=delays)


def _paths(fits: "Sequence[Fit]") -> "tuple[GatePath, ...]":
    from ...cost.estimate.operation import GatePath

    return tuple(
        GatePath(name=f"gates of {fit.name}", ns=fit.critical_path_ns, voltage=fit.voltage)
        for fit in fits
        if fit.critical_path_ns is not None
    )


def gate_warnings(found: ByGates) -> list[str]:
    """Differences between the characterized array and the requested one; figures without a bar."""
    return _warnings(found.lanes, found.behind)


def gates_record(found: ByGates, events: "Estimate") -> dict[str, Any]:
    """JSON form; events: of the same array, which price sums in memories."""
    from ...gates.model.estimate import sums_in_memory

    record: dict[str, Any] = {"gates": found.lanes.to_dict()}
    if found.placed:
        record["gates_placed"] = True
    if found.behind is not None:
        record["output_stage"] = found.behind.to_dict()
    if found.rest is not None:
        record["gates_sums_in_memory"] = sums_in_memory(found.rest, events).to_dict()
    return record


def _warnings(lanes: "ArrayEstimate", behind: "OutputEstimate | None") -> list[str]:
    found = [_substituted("lanes", lanes.substituted)]
    if behind is not None:
        found.append(_substituted("output units", behind.substituted))
    if lanes.untested is not None:
        found.append(f"no bar on the lane array by gates: {lanes.untested}")
    return [text for text in found if text]


def _substituted(what: str, widths: Mapping[str, tuple[int, int]]) -> str:
    if not widths:
        return ""
    pairs = ", ".join(f"{name} {costed} for {asked}" for name, (asked, costed) in widths.items())
    return (
        f"by gates, {what} are those that were characterized, not the narrowest that the program "
        f"asks for: {pairs}"
    )


def show_gates(by_gates: ByGates, events: "Estimate") -> None:
    from ...cost.report.report import energy_text
    from ...gates.model.estimate import sums_in_memory

    found, behind = by_gates.lanes, by_gates.behind
    bar = "no bar" if found.untested else "bar: worst error of layers that were not fitted"
    show_table(
        f"lane array {found.micro} by its gates, one image; {bar}",
        ("layer", "MACs", "cycles", "energy", "pJ/MAC", "of it clock and leakage %"),
        [
            (
                layer.name, layer.macs, layer.cycles, energy_text(layer.energy_pj),
                layer.energy_pj.expected / layer.macs,
                _percent(layer.standing_pj, layer.energy_pj.expected),
            )
            for layer in found.layers
        ],
    )  # fmt: skip
    absent = "glitches" if by_gates.placed else "glitches, placed wires, clock tree"
    say(
        f"lane array by gates: {energy_text(found.energy_pj)}, {found.area_um2:,.0f} um2; without "
        f"{absent}, memories, output stage; operands of the first "
        f"{GATE_IMAGES} images at most"
    )
    if by_gates.rest is not None:
        instead = sums_in_memory(by_gates.rest, events)
        say(
            "in it the sums are flip-flops that are clocked in every cycle; with sums and their "
            f"additions by {events.technology.name}, as memories: "
            f"{energy_text(instead.energy_pj)}; the output lanes are not characterized"
        )
    if behind is not None:
        say(
            f"output stage by gates: {energy_text(behind.energy_pj)}, {behind.area_um2:,.0f} um2, "
            f"of it {energy_text(behind.standing_pj)} clock and leakage; without its memory"
        )


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0  # a fit may price every term at 0
