"""The extras of this distribution: their packages, and which of them are not installed."""

import re
import sys
from collections.abc import Iterable
from importlib import metadata

from ..spec.errors import InputError

DEMO = ("train", "data", "rtl", "cosim")
"""Extras that `adqhw demo` takes beside the base install."""
_NAME = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^]]*)\])?")
_EXTRA = re.compile(r"extra == ['\"]([^'\"]+)")
_PYTHON = re.compile(r"python_version (<|>=) ['\"](\d+)\.(\d+)")


def requirements(lines: Iterable[str]) -> dict[str, set[str]]:
    """Packages by extra ("" is the base install) of a distribution's requirements.

    An extra that asks for others of the distribution has their packages too; lines for other
    versions of Python count as absent.
    """
    direct: dict[str, set[str]] = {"": set()}
    others: dict[str, set[str]] = {}
    for line in lines:
        wanted, _, marker = line.partition(";")
        match, extras = _NAME.match(wanted), _EXTRA.search(marker)
        assert match is not None  # a distribution's own metadata
        name, inner = match.groups()
        extra = extras.group(1) if extras else ""
        packages = direct.setdefault(extra, set())
        if name.lower() == "adqhw":
            others.setdefault(extra, set()).update(re.split(r"[,\s]+", inner or ""))
        elif _for_this_python(marker):
            packages.add(name)

    def whole(extra: str) -> set[str]:
        inner = (whole(other) for other in others.get(extra, ()))
        return direct.get(extra, set()).union(*inner)

    return {extra: whole(extra) for extra in direct}


def _for_this_python(marker: str) -> bool:
    here = sys.version_info[:2]
    for sign, major, minor in _PYTHON.findall(marker):
        bound = int(major), int(minor)
        if (here >= bound) != (sign == ">="):
            return False
    return True


def own_requirements() -> dict[str, set[str]]:
    """Those of this distribution, as it was installed."""
    return requirements(metadata.requires("adqhw") or [])


def installed(package: str) -> str | None:
    """Version of a package; None if absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def require_extras(extras: Iterable[str], purpose: str, besides: Iterable[str] = ()) -> None:
    """Refuse, in one line, a `purpose` for which packages are missing.

    besides: packages that something else can stand in for, which is checked where it is used.
    """
    wanted, missing = own_requirements(), {}
    for extra in extras:
        absent = {name for name in wanted.get(extra, ()) if installed(name) is None}
        if absent := absent - set(besides):
            missing[extra] = sorted(absent)
    if not missing:
        return
    names = ", ".join(f"{extra} ({', '.join(found)})" for extra, found in missing.items())
    raise InputError(
        f"Extras must be installed for {purpose}, not absent: {names}: "
        f"pip install 'adqhw[{','.join(missing)}]'"
    )
