"""`adqhw bench cards`: a card per program of a folder, and the table of its README."""

from pathlib import Path
from typing import Annotated

import typer

from ...console import JSON_OPTION, emit, progress, say
from ...flows.images import DATA_HELP
from ...spec.errors import InputError
from ...spec.host.files import write_file
from ...spec.host.markdown import write_between
from ...studies.zoo.cards import BEGIN, END, FOLDER, Card, card_text, read, rows, table_text

SMALLEST = 1e-6
"""Percent: below it two accuracies of the same images are the same number."""


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of programs, with runs.toml.")],
    data: Annotated[Path | None, typer.Option(help=f"Measure all again. {DATA_HELP}")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Write a card of one form for every program, and the table in the folder's README.md.

    Network, bits, recipe and digest are read from the programs, accuracies are those of their
    export, hardware and time stand in runs.toml. With --data every program runs over all test
    images again, and a card whose figure is another is refused.

    Example: adqhw bench cards zoo
    """
    cards = read(folder)
    if data is not None:
        for card in cards:
            _measure(card, data)
    (folder / FOLDER).mkdir(exist_ok=True)
    for card in cards:
        write_file(folder / FOLDER / f"{card.name}.md", card_text(card, folder))
    write_between(folder / "README.md", "Programs", (BEGIN, END), table_text(cards))
    if as_json:
        emit({card.name: dict(rows(card)) for card in cards})
    else:
        say(f"wrote {len(cards)} cards in {folder / FOLDER}")


def _measure(card: Card, data: Path) -> None:
    from ...flows.engines import run_in_steps, top1
    from ...flows.images import read_images

    batch = read_images(card.program, data=data, limit=int(card.accuracy["images"]))
    assert batch.labels is not None  # a data set always has labels
    with progress(card.name, len(batch.images)) as advance:
        result = run_in_steps("numba", card.program, batch.images, advance=advance)
    found = top1(result.logits, batch.labels)
    if abs(found - card.accuracy["integer"]) > SMALLEST:
        raise InputError(
            f"Program {card.name!r} must have the top-1 of its export, "
            f"{card.accuracy['integer']:.2f} %, not {found:.2f} %"
        )
