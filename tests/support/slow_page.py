"""Runs the slow tests file by file and keeps docs/slow-tests.md: `make test-slow`.

    python tests/support/slow_page.py [FILE OR FOLDER ...]

The page is the record. A file whose row is of this commit and has no failure is not run again, so
a run that was stopped goes on where it ended. A test that is skipped names what it lacks.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from xml.etree import ElementTree

from places import ROOT

from adqhw.spec.host.markdown import table

PAGE = ROOT / "docs" / "slow-tests.md"
TEXT = """# Slow tests

Written by `make test-slow` (`tests/support/slow_page.py`): `pytest -m slow` on each file, in one
process, the page kept after each. A file that passed at the commit in question is not run again;
`make test-slow FILES="tests/sim tests/rtl"` takes some. Minutes are of a machine that may have had
other work. *given*: optional inputs and tools that were there; a test without its own is skipped,
and *lacking* says what that was.
[Verification](verification.md), [contributing](../CONTRIBUTING.md).

"""
COLUMNS = (
    ("file", "---"), ("passed", "---:"), ("failed", "---:"), ("skipped", "---:"),
    ("minutes", "---:"), ("commit", "---"), ("date", "---"), ("machine", "---"), ("given", "---"),
    ("lacking", "---"),
)  # fmt: skip
NEVER = "not run"
INPUTS = {"ADQHW_DATA": "data", "ADQHW_WEIGHTS": "weights", "ADQHW_LIBERTY": "Liberty"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row of the page, as text."""

    file: str
    passed: str = NEVER
    failed: str = ""
    skipped: str = ""
    minutes: str = ""
    commit: str = ""
    date: str = ""
    machine: str = ""
    given: str = ""
    lacking: str = ""

    def settled(self, commit: str) -> bool:
        """It passed at this commit, whose files are unchanged."""
        return self.commit == commit and self.failed == "0" and "+" not in commit

    @property
    def cells(self) -> list[str]:
        return [getattr(self, field.name) for field in fields(self)]


def known(page: str) -> dict[str, Outcome]:
    """Rows of a page by file."""
    names = [field.name for field in fields(Outcome)]
    lines = (re.split(r" ?(?<!\\)\| ?", line)[1:-1] for line in page.splitlines())
    cells = [[cell.replace(r"\|", "|") for cell in line] for line in lines]
    rows = [dict(zip(names, found, strict=True)) for found in cells if len(found) == len(names)]
    return {found["file"]: Outcome(**found) for found in rows if found["file"].startswith("tests/")}


def written(outcomes: list[Outcome]) -> str:
    """The page."""
    run = [each for each in outcomes if each.passed != NEVER]
    sums = [sum(float(getattr(each, key)) for each in run) for key in ("passed", "failed")]
    minutes = sum(float(each.minutes) for each in run)
    counts = f"{sums[0]:.0f} tests passed, {sums[1]:.0f} failed, {minutes:.1f} minutes"
    summary = f"{len(run)} of {len(outcomes)} files run: {counts}."
    lines = [summary, "", *table(COLUMNS, [each.cells for each in outcomes])]
    return TEXT + "\n".join(lines) + "\n"


LONGEST = 160
"""Characters of a reason on the page."""
_BAD = ("failure", "error", "skipped")


def slow_files() -> list[str]:
    """Files with slow tests."""
    command = [sys.executable, "-m", "pytest", "-m", "slow", "--collect-only", "-q", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.findall(r"^(tests/[\w/]+\.py)(?:::|:)", done.stdout, re.M)
    if done.returncode or not found:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return sorted(set(found))


def run(file: str, commit: str) -> Outcome:
    """The slow tests of one file."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "slow",
            "-q",
            f"--junit-xml={report}",
            file,
        ]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    count = Counter(next((part.tag for part in case if part.tag in _BAD), "") for case in cases)
    lacking = {brief(part.get("message", "")) for case in cases for part in case.iter("skipped")}
    return Outcome(
        file=file,
        passed=str(count[""]),
        failed=str(count["failure"] + count["error"] + (not cases)),
        skipped=str(count["skipped"]),
        minutes=f"{(time.monotonic() - begin) / 60:.1f}",
        commit=commit,
        date=time.strftime("%Y-%m-%d"),
        machine=machine(),
        given=given(),
        lacking="; ".join(sorted(lacking)),
    )


def brief(reason: str) -> str:
    """A tool's output, which may name folders of this machine, is left out between the ends."""
    if len(reason) <= LONGEST:
        return reason
    return f"{reason.split(':')[0]}: ...; {reason.rpartition(';')[2].strip()}"


def machine() -> str:
    """Processor, cores that may be used, system."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text() if info.exists() else "")
    name = " ".join(model[1].split()) if model else platform.processor()
    return f"{name}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def given() -> str:
    """Optional inputs and tools that are there."""
    inputs = [name for key, name in INPUTS.items() if os.environ.get(key)]
    return ", ".join([*inputs, *(tool for tool in ("iverilog", "sta") if shutil.which(tool))])


def commit() -> str:
    """The last commit that changed more than the page, and `+` where files differ from it."""
    others = ("--", ".", f":!{PAGE.relative_to(ROOT)}")
    last = _git("log", "-1", "--format=%h", *others)
    return last + "+" * bool(_git("status", "--porcelain", "--untracked-files=no", *others))


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main(chosen: list[str]) -> int:
    at, files = commit(), slow_files()
    rows = known(PAGE.read_text()) if PAGE.exists() else {}
    good = True
    for file in files:
        wanted = not chosen or any(Path(file).is_relative_to(path) for path in chosen)
        if wanted and not (file in rows and rows[file].settled(at)):
            print(file, flush=True)
            rows[file] = run(file, at)
            good &= rows[file].failed == "0"
        PAGE.write_text(written([rows.get(each, Outcome(file=each)) for each in files]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
