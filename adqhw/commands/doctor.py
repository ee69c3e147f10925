"""`adqhw doctor`: what is installed, which simulators work, and what to do about the rest."""

from typing import Annotated

import typer

from ..console import FAILED_CHECK, JSON_OPTION, emit, say, show_table


def command(as_json: Annotated[bool, JSON_OPTION] = False) -> None:
    """Packages by extra, simulators, processor, memory and caches, and what to do.

    Exit code 1 if something is missing that `adqhw demo` takes.

    Example: adqhw doctor
    """
    from ..flows import doctor

    found = doctor.findings()
    if as_json:
        emit(doctor.record(found))
    else:
        rows = [(f.area, f.name, f.found or "-", f.serves) for f in found]
        show_table("adqhw doctor", ("", "name", "found", "serves"), rows)
        for finding in found:
            if finding.advice:
                say(f"{finding.area} {finding.name}: {finding.advice}")
        say(
            "adqhw demo: all that it takes is here"
            if doctor.demo_runs(found)
            else "adqhw demo: not all that it takes is here"
        )
    if not doctor.demo_runs(found):
        raise typer.Exit(FAILED_CHECK)
