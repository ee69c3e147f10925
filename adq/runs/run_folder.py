"""The files of one training run, also after its process was killed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...spec.errors import InputError
from ...spec.host.files import atomic_path, room_for, write_file

Existing = Literal["refuse", "resume", "replace"]
"""Treatment of an existing checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFolder:
    """A folder that holds one run: the last state, the best state and the log."""

    path: Path
    writes: bool = True
    """Whether this process writes them: the first of several ranks."""

    @property
    def checkpoint(self) -> Path:
        """The last state: where `--resume` continues, and the result when training is done."""
        return self.path / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """The state with the best held-out top-1 of those that can be exported."""
        return self.path / "best.safetensors"

    @property
    def log(self) -> Path:
        """One JSON object per line: losses inside epochs, accuracies at their ends."""
        return self.path / "metrics.jsonl"

    @property
    def allocation(self) -> Path:
        """Bits per layer, predicted losses and costs, where a budget chose them."""
        return self.path / "allocation.json"

    @property
    def picture(self) -> Path:
        """The same as a plot; only with matplotlib."""
        return self.path / "allocation.png"

    @property
    def board(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def intact(self) -> str:
        """Last message of a run that ends early: what remains in the folder."""
        if not self.checkpoint.exists():
            return "there is no checkpoint yet"
        return f"the last checkpoint is intact: {self.checkpoint}; continue it with --resume"

    def prepare(self, existing: Existing) -> None:
        """Check that the folder takes files; keep an earlier run in it by default."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_file(self.path / ".probe", b"probe")
            (self.path / ".probe").unlink()
        except OSError as error:
            raise InputError(
                f"Output folder must be writable, not {str(self.path)!r}: {error.strerror}"
            ) from error
        if existing == "refuse" and self.checkpoint.exists():
            raise InputError(
                f"Output folder must be without an earlier run, not {str(self.path)!r}: continue "
                "it with --resume, choose another --out, or remove it"
            )
        self._remove_leftovers()
        if existing == "replace":
            for path in (self.checkpoint, self.best, self.log, self.allocation, self.picture):
                path.unlink(missing_ok=True)

    def write_log(self, record: dict[str, Any]) -> None:
        """Append one line; it is with the operating system when this returns."""
        if not self.writes:
            return
        with room_for(self.log), self.log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")

    def rewind_log(self, step: int, finished: bool) -> None:
        """Drop lines after `step`: a killed process wrote them, and the resumed one will again.

        The result line bears the last epoch's step; it stays only in a finished run.
        """
        if not self.writes or not self.log.exists():
            return
        with atomic_path(self.log) as temporary:
            lines = self.log.read_bytes().split(b"\n")
            last = step + 0.5 if finished else step
            temporary.write_bytes(b"".join(x + b"\n" for x in lines if _position(x) <= last))

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of a process that was killed while it wrote."""
        for target in (self.checkpoint, self.best, self.log):
            for leftover in self.path.glob(f".{target.name}.*"):
                leftover.unlink()


def _position(line: bytes) -> float:
    """Return the step of a log line, the result line half a step later, a torn line at the end."""
    try:
        record = json.loads(line)
        return float(record["step"]) + (0.5 if "test_top1" in record else 0.0)
    except (ValueError, KeyError, TypeError):
        return float("inf")
