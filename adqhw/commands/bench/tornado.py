"""`adqhw bench tornado`: which assumption moves the verdict between two designs, and how far."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...console import JSON_OPTION, emit, people, say
from ...flows.images import DATA_HELP, read_images
from ...flows.sweep_programs import recorded_accuracy
from ...rtl.arch.registry import BASELINE, DEFAULT
from ...spec.errors import InputError
from ...spec.host.files import write_file
from ...spec.host.pages import publish
from ...spec.program_file import load
from ..command_line import command_line
from ..sizes import listed, numbers, swept_arrays

if TYPE_CHECKING:
    from ...cost.events.traffic import Options
    from ...cost.sweep.arrays import Lanes
    from ...cost.technology.technology import Technology
    from ...studies.sensitivity.assumptions import Offers, Tornado
    from ...studies.sensitivity.by_gates import Pair
    from ...studies.sensitivity.ratio import Rival

GATES_HELP = (
    "Also array and output stage by a file of `adqhw characterize`, with the operands of 2 images; "
    "may be repeated, goes with --data."
)
GATE_IMAGES = 2
PLAIN_MICRO = f"{BASELINE}:4"


def command(
    context: typer.Context,
    learned: Annotated[Path, typer.Argument(help="Program of learned codebooks (.safetensors).")],
    plain: Annotated[Path, typer.Argument(help="Program of plain bits (.safetensors).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    micro: Annotated[str, typer.Option(help="Lanes of the learned codebooks.")] = DEFAULT,
    plain_micro: Annotated[
        str, typer.Option(help=f"Lanes of the plain bits; {BASELINE}:4 has multipliers of 4 bits.")
    ] = PLAIN_MICRO,
    rows_cols: Annotated[str, typer.Option(help="Array as ROWSxCOLS.")] = "16x16",
    hold: Annotated[str, typer.Option(help="Pixels per weight; a panel for each.")] = "1,16",
    fill: Annotated[int, typer.Option(help="Fill cycles where weights are held.")] = 8,
    out_lanes: Annotated[int, typer.Option(help="Output lanes where weights are held.")] = 4,
    tech: Annotated[str, typer.Option(help="Technology.")] = "literature45",
    memories: Annotated[str, typer.Option(help="Memory table.")] = "sram45",
    dram: Annotated[str, typer.Option(help="DRAM type.")] = "lpddr4",
    loads: Annotated[
        str,
        typer.Option(help="Images per load of the network from DRAM, or never; a panel for each."),
    ] = "never,1",
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    images: Annotated[int, typer.Option(help="Images that activity is measured on.")] = 100,
    gates: Annotated[list[Path] | None, typer.Option(help=GATES_HELP)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """One assumption at a time: energy of learned codebooks over that of plain bits.

    Every entry of the technology and of its memory table at its low and its high; DRAM type,
    memories, array, dataflow, loads, supply, leakage, activations and lanes through their choices.
    A table and a picture, the largest swing first.

    Example: adqhw bench tornado mixed279.safetensors lsq4.safetensors --data DIR -o page.md
    """
    from ...cost.technology.choice import chosen
    from ...studies.sensitivity.assumptions import tornado
    from ...studies.sensitivity.by_gates import gate_cases
    from ...studies.sensitivity.page import page, verdict
    from ...studies.sensitivity.ratio import Assumed

    if out.suffix == ".png":
        raise InputError(
            f"Page must not be a .png file, as its picture beside it, not {str(out)!r}"
        )
    table = chosen(tech, memories=memories, dram=dram)
    if gates and data is None:
        raise InputError("--gates must go with --data: toggles need operands")
    ours = _rival(learned, micro, data, images)
    theirs = _rival(plain, plain_micro, data, images)
    found = []
    ways = ("1", "1") if hold == "1" else (str(fill), str(out_lanes))
    for lanes in swept_arrays(rows_cols, hold, *ways):
        people.print(f"hold {lanes.hold}", style="dim")
        pairs, missing = _by_gates(ours, theirs, lanes, table, gates or [], data)
        for options in map(_options, listed(loads)):
            assumed = Assumed(technology=table, lanes=lanes, options=options)
            cases = gate_cases(pairs, ours, theirs, assumed) if pairs else []
            found.append(
                tornado(
                    ours, theirs, assumed, _offers(table, lanes.rows),
                    others={"array and output stage": cases}, refused=missing,
                )
            )  # fmt: skip
    picture = out.with_suffix(".png")
    text = page(
        found,
        command=command_line(context),
        accuracy=_accuracies([ours, theirs], data, images),
        picture=picture,
    )
    written = _write(out, text, picture, found)
    if as_json:
        emit({"files": [str(path) for path in written], "tornados": [_record(x) for x in found]})
        return
    for one in found:
        say(verdict(one))
    say(f"wrote {', '.join(map(str, written))}")


def _rival(path: Path, micro: str, data: Path | None, images: int) -> "Rival":
    from ...cost.estimate.estimate import measure
    from ...studies.sensitivity.ratio import Rival

    program = load(path)
    given = None if data is None else read_images(program, data=data, limit=images).images
    return Rival(name=path.stem, program=program, micro=micro, activity=measure(program, given))


def _options(loads: str) -> "Options":
    from ...cost.events.traffic import Options

    if loads == "never":
        return Options(weights_from_dram=False)
    return Options(batch=numbers(loads, "--loads")[0])


def _by_gates(
    learned: "Rival", plain: "Rival", lanes: "Lanes", table: "Technology", files: list[Path],
    data: Path | None,
) -> "tuple[list[Pair], list[str]]":  # fmt: skip
    """Both designs by the characterizations, and what has none."""
    if not files:
        return [], []
    from ...cost.technology import technology
    from ...gates.model.library import read_all
    from ...studies.sensitivity.by_gates import Gates, gate_pairs

    loaded = [technology.load(name) for name in technology.available()]
    others = [one for one in loaded if one.node != table.node and not one.counts]
    images = read_images(learned.program, data=data, limit=GATE_IMAGES).images
    gates = Gates(libraries=read_all(files), technologies=[table, *others], images=images)
    return gate_pairs(learned, plain, lanes, gates)


def _offers(table: "Technology", size: int) -> "Offers":
    """All that ships with the package."""
    from ...cost.technology import technology
    from ...cost.technology.dram_types import available_drams, load_dram
    from ...cost.technology.memory_table import available_memories, load_memories
    from ...studies.sensitivity.assumptions import Offers

    loaded = [technology.load(name) for name in technology.available()]
    others = [one for one in loaded if not one.counts and not table.name.startswith(one.name)]
    return Offers(
        technologies=tuple(others),
        drams=tuple(map(load_dram, available_drams())),
        memories=tuple(map(load_memories, available_memories())),
        sizes=tuple((n, n) for n in (size // 2, size, 2 * size)),
        ways=((1, 1, 1), (4, 4, 1), (16, 8, 1), (16, 8, 4)),
        plain_micros=(BASELINE, PLAIN_MICRO),
    )


def _accuracies(rivals: "list[Rival]", data: Path | None, images: int) -> str:
    top1 = [recorded_accuracy(rival.program) for rival in rivals]
    told = [f"{rival.name} {a:.2f} %" for rival, a in zip(rivals, top1, strict=True) if a]
    activity = "no activation is 0" if data is None else f"activity of {images} images"
    return f"top-1 by their own records: {', '.join(told) or 'unknown'}; {activity}"


def _write(out: Path, text: str, picture: Path, found: "list[Tornado]") -> list[Path]:
    from ...spec.host.pictures import drawn
    from ...studies.sensitivity.page import SEE
    from ...studies.sensitivity.plot import tornado_png

    png = drawn(picture.name, lambda: tornado_png(found))
    publish(out, text, SEE)
    if png is None:
        return [out]
    write_file(picture, png)
    return [out, picture]


def _record(one: "Tornado") -> dict[str, Any]:
    return {
        "learned": one.learned,
        "plain": one.plain,
        "base": one.base,
        "common": one.common,
        "ratio": one.ratio,
        "assumptions": [
            {
                "name": assumption.name,
                "swing": assumption.swing,
                "turns": assumption.turns,
                "cases": [{"what": case.what, "ratio": case.ratio} for case in assumption.cases],
            }
            for assumption in one.assumptions
        ],
        "without_effect": list(one.still),
        "refused": list(one.refused),
    }
