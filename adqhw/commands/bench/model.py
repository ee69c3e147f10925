"""`adqhw bench model`: errors of the model of the gates, from the files of its tests."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ...console import JSON_OPTION, emit, say
from ...spec.host.pages import publish
from ..command_line import command_line


def command(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Files of `adqhw characterize`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Markdown page to write.")],
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """One page of the errors of all characterizations, layer by layer, and of the limits kept.

    Errors are computed from the energy of the gates and the fit's prediction, on layers, images and
    sizes that were not fitted. `adqhw characterize` measures them. Exit code 1: a limit is missed.

    Example: adqhw bench model gates/tech/*.toml -o docs/results/gate-model.md
    """
    from ...studies.gates.model_errors import SEE, page, subjects

    measured = [subject for path in files for subject in subjects(path)]
    publish(out, page(measured, command_line(context)), SEE)
    missed = [subject for subject in measured if not subject.kept]
    if as_json:
        emit({"subjects": [asdict(s) | {"kept": s.kept} for s in measured]})
    else:
        for subject in missed:
            say(f"missed: {subject.library}, {subject.name}: worst {subject.errors.worst:+.1f} %")
        say(f"wrote {out}: {len(measured) - len(missed)} of {len(measured)} within the limits")
    if missed:
        raise typer.Exit(1)
